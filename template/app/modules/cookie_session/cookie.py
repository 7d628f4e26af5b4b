from datetime import UTC, datetime
from math import ceil

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Scope

from app.infrastructure.http.cookies import cookie_in

from .settings import SessionSettings

# Browsers take a cookie of such a name only over HTTPS, for this very host and every path: no
# other host of the domain can plant one (RFC 6265bis section 4.1.3.2).
SECURE_NAME = "__Host-session"
PLAIN_NAME = "session"


class SessionCookie:
    def __init__(self, settings: SessionSettings) -> None:
        self.name = SECURE_NAME if settings.secure_cookie else PLAIN_NAME
        self._name = self.name.encode()
        self._settings = settings

    def read(self, connection: HTTPConnection) -> str | None:
        return self.in_scope(connection.scope)

    def in_scope(self, scope: Scope) -> str | None:
        return cookie_in(scope, self._name)

    def set(self, response: Response, token: str, expires_at: datetime) -> None:
        # The server minds how long the session is idle; the browser only its longest life.
        self._write(response, token, ceil((expires_at - datetime.now(UTC)).total_seconds()))

    def clear(self, response: Response) -> None:
        self._write(response, "", 0)

    def _write(self, response: Response, value: str, max_age: int) -> None:
        response.set_cookie(
            self.name,
            value,
            max_age=max_age,
            path="/",
            secure=self._settings.secure_cookie,
            httponly=True,
            samesite=self._settings.same_site,
        )
