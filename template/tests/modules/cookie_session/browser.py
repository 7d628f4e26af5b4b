"""What a browser does with the service."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from re import sub
from typing import Any, cast

from fastapi import FastAPI
from httpx2 import AsyncClient, Response

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from app.core.feature import Feature
from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD
from tests.support import client_of

COOKIE = "__Host-session"
CLEARED = f'{COOKIE}=""; HttpOnly; Max-Age=0; Path=/; SameSite=lax; Secure'


def credentials(user: User) -> dict[str, str]:
    return {"username": user.username, "password": PASSWORD}


async def log_in(browser: AsyncClient, user: User) -> dict[str, Any]:
    """Log in by cookie, and send the CSRF token from now on."""
    response = await browser.post("session", json=credentials(user))
    assert response.status_code == 200, response.text
    body = cast("dict[str, Any]", response.json())
    browser.headers["x-csrf-token"] = body["csrf_token"]
    return body


def token_of(browser: AsyncClient) -> str:
    """The cookie's value."""
    token = browser.cookies.get(COOKIE)
    assert token is not None
    return token


def with_cookie(
    app: FastAPI, state: Mapping[str, Any], token: str, csrf_token: str = ""
) -> AsyncClient:
    """A client that sends this cookie, whatever it is told."""
    client = client_of(app, state, base_url="https://test")
    client.headers |= {"cookie": f"{COOKIE}={token}", "x-csrf-token": csrf_token}
    return client


def attributes_of(header: str) -> str:
    """Those of a cookie that is set; its age may be some seconds below the 30 days of a login."""
    attributes = header.partition("; ")[2]
    return sub(r"Max-Age=(2592000|25919[5-9][0-9])(?=;|$)", "Max-Age=2592000", attributes)


def kind_of(response: Response) -> str:
    return str(response.json()["type"]).removeprefix("urn:problem:")


@asynccontextmanager
async def browsing(
    settings: Settings,
    state: Mapping[str, Any],
    features: Iterable[Feature] = (),
    *,
    base_url: str = "https://test",
) -> AsyncGenerator[AsyncClient]:
    """A browser at a service with other settings or more features, on the test's own database."""
    app = create_app(settings, [*enabled_features(settings), *features])
    shared = {name: state[name] for name in ("database", "passwords", "cookie_sessions")}
    async with (
        app.router.lifespan_context(app) as own,
        client_of(app, {**(own or {}), **shared}, base_url=base_url) as client,
    ):
        yield client
