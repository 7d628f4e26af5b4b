from app.core.errors import ForbiddenError, NotFoundError


class InvalidEmailTokenError(NotFoundError):
    code = "email.invalid_token"
    title = "Link not valid"

    def __init__(self) -> None:
        # The same whether it is unknown, used, expired or void.
        super().__init__("The link in the mail does not count any more. Ask for a new one.")


class EmailNotVerifiedError(ForbiddenError):
    code = "email.not_verified"
    title = "E-mail address not confirmed"

    def __init__(self) -> None:
        super().__init__(
            "Follow the link in the mail that was sent to you, or ask for a new one: "
            "`POST /api/v1/account/verify-email/resend`."
        )
