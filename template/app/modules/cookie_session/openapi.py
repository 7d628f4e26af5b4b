from typing import Any

from fastapi.security import APIKeyHeader

from app.core.extensions import Extensions
from app.core.openapi import OpenAPIExtension

from .authentication import CookieAuthenticator
from .cookie import SessionCookie
from .csrf import CSRF_HEADER, SAFE_METHODS

_SCHEME = "CsrfToken"


class CsrfScheme(OpenAPIExtension):
    """Documents that a cookie takes a CSRF token beside it, and what the cookie is called."""

    def __init__(self, cookie: SessionCookie) -> None:
        self.cookie = cookie

    def extend(self, document: dict[str, Any], extensions: Extensions) -> None:  # noqa: ARG002
        name = CookieAuthenticator.scheme_name
        schemes = document["components"].setdefault("securitySchemes", {})
        schemes[name] = {**(CookieAuthenticator.scheme or {}), "name": self.cookie.name}
        schemes[_SCHEME] = APIKeyHeader(
            name=CSRF_HEADER,
            description="The `csrf_token` of `GET /api/v1/session`; beside the cookie alone.",
        ).model.model_dump(mode="json", by_alias=True, exclude_none=True)
        for path in document["paths"].values():
            for method, operation in path.items():
                if method.upper() in SAFE_METHODS:
                    continue
                for entry in operation.get("security", ()):
                    if name in entry:
                        entry[_SCHEME] = []
