from starlette.requests import Request
from starlette.responses import Response

from app.infrastructure.http.cookies import cookie_in

from .settings import PageSettings


class PageCookies:
    """Small ones, for this host alone and until the browser is closed, out of reach of scripts."""

    def __init__(self, settings: PageSettings) -> None:
        self._is_secure = settings.secure_cookies

    def read(self, request: Request, name: str) -> str | None:
        return cookie_in(request.scope, self._full(name).encode())

    def set(self, response: Response, name: str, value: str, *, max_age: int | None = None) -> None:
        # Not `strict`: whoever comes by a link of another site would get a second one.
        response.set_cookie(
            self._full(name),
            value,
            max_age=max_age,
            path="/",
            secure=self._is_secure,
            httponly=True,
            samesite="lax",
        )

    def clear(self, response: Response, name: str) -> None:
        self.set(response, name, "", max_age=0)

    def _full(self, name: str) -> str:
        # Browsers take a cookie of such a name only over HTTPS, for this very host and every path:
        # no other host of the domain can plant one (RFC 6265bis section 4.1.3.2).
        return f"__Host-{name}" if self._is_secure else name
