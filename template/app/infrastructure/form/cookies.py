from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from app.infrastructure.http.cookies import cookie_in


class HostCookies:
    """Small ones, for this host alone, out of reach of scripts."""

    def __init__(
        self, *, is_secure: bool, same_site: Literal["lax", "strict"], prefix: str = ""
    ) -> None:
        self._is_secure = is_secure
        self._same_site = same_site
        # Browsers take a cookie of such a name only over HTTPS, for this very host and every path:
        # no other host of the domain can plant one (RFC 6265bis section 4.1.3.2).
        self._prefix = f"__Host-{prefix}" if is_secure else prefix

    def read(self, request: Request, name: str) -> str | None:
        return cookie_in(request.scope, f"{self._prefix}{name}".encode())

    def set(self, response: Response, name: str, value: str, *, max_age: int | None = None) -> None:
        """Without `max_age`, until the browser is closed."""
        response.set_cookie(
            f"{self._prefix}{name}",
            value,
            max_age=max_age,
            path="/",
            secure=self._is_secure,
            httponly=True,
            samesite=self._same_site,
        )

    def clear(self, response: Response, name: str) -> None:
        self.set(response, name, "", max_age=0)
