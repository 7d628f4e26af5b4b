from app.core.errors import ForbiddenError


class CsrfError(ForbiddenError):
    code = "session.csrf"
    title = "CSRF token missing or wrong"

    def __init__(self) -> None:
        super().__init__(
            "Send the `csrf_token` that `GET /api/v1/session` answers as `X-CSRF-Token`; a "
            "WebSocket must be opened by a page of this service or of an origin in CORS_ORIGINS."
        )


class ForeignOriginError(ForbiddenError):
    code = "session.foreign_origin"
    title = "Request of another site"

    def __init__(self) -> None:
        super().__init__(
            "Pages of this service and of the origins in CORS_ORIGINS may log in with a cookie."
        )
