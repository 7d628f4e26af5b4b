from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from httpx2 import AsyncClient
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Message, Scope

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from app.core.feature import Feature
from app.infrastructure.http.settings import CorsSettings
from app.infrastructure.security.keys import token_hash
from app.modules.auth.models import LoginSession
from app.modules.cookie_session.cookie import SessionCookie
from app.modules.cookie_session.settings import SessionSettings
from app.modules.user.dependencies import CallerDep, requires
from app.modules.user.models import CurrentUser
from app.modules.user.permissions import READ_PROFILE
from tests.fixtures.auth import create_user

from .browser import COOKIE, kind_of, token_of, with_cookie

pytestmark = pytest.mark.anyio


def in_cookies(*headers: bytes, settings: SessionSettings | None = None) -> str | None:
    scope = {"headers": [(b"cookie", header) for header in headers]}
    return SessionCookie(settings or SessionSettings()).in_scope(scope)


class TestCookieHeader:
    @pytest.mark.parametrize(
        "headers",
        [
            (b"__Host-session=abc",),
            (b"a=b; __Host-session=abc; c=d",),
            (b"a=b;__Host-session=abc",),
            (b"a=b", b"__Host-session=abc"),
            (b" __Host-session\t=  abc\t; ",),
        ],
    )
    def test_is_searched(self, headers: tuple[bytes, ...]) -> None:
        assert in_cookies(*headers) == "abc"

    @pytest.mark.parametrize(
        "name",
        [
            b"session",
            b"__host-session",
            b"__Host-sessions",
            b"x__Host-session",
            # What Python takes for a blank and browsers do not: such a name has no prefix.
            b"\xa0__Host-session",
            b"\x85__Host-session",
            b"\x1f__Host-session",
            b"__Host-session\xa0",
            # A cookie without a name, with a value that looks like one.
            b"=__Host-session",
        ],
    )
    def test_has_the_very_name(self, name: bytes) -> None:
        assert in_cookies(name + b"=abc") is None
        assert in_cookies(b"__Host-session=own; " + name + b"=abc") == "own"

    def test_has_it_once(self) -> None:
        assert in_cookies(b"__Host-session=abc; __Host-session=def") is None
        assert in_cookies(b"__Host-session=abc", b"__Host-session=abc") is None

    def test_may_be_missing(self) -> None:
        assert in_cookies() is None

    def test_has_another_name_without_https(self) -> None:
        plain = SessionSettings(secure_cookie=False)

        assert in_cookies(b"session=abc; __Host-session=def", settings=plain) == "abc"


class TestCaller:
    @pytest.mark.parametrize("token", ["", "x" * 5000, "é", '"quoted"'])
    async def test_is_nobody_with_a_wrong_token(
        self, app: FastAPI, state: dict[str, Any], token: str
    ) -> None:
        async with with_cookie(app, state, "") as client:
            cookie = f"{COOKIE}={token}".encode("latin-1")
            response = await client.get("users/me", headers={b"cookie": cookie})

        assert response.status_code == 401
        assert kind_of(response) == "auth.not_authenticated"

    async def test_is_known_by_the_token_and_not_its_hash(
        self, app: FastAPI, state: dict[str, Any], own_browser: AsyncClient
    ) -> None:
        async with with_cookie(app, state, token_hash(token_of(own_browser))) as client:
            assert (await client.get("users/me")).status_code == 401

    async def test_is_limited_as_the_login_is(
        self, own_browser: AsyncClient, session: AsyncSession
    ) -> None:
        await session.execute(update(LoginSession).values(scope=READ_PROFILE.name))
        await session.commit()

        assert (await own_browser.get("users/me")).status_code == 200
        response = await own_browser.patch("users/me", json={"name": "After"})
        assert response.status_code == 403
        assert kind_of(response) == "auth.insufficient_scope"
        assert (await own_browser.get("users/me/export")).status_code == 403

    async def test_beside_a_bearer_token_is_the_bearer(
        self, own_browser: AsyncClient, superuser_client: AsyncClient
    ) -> None:
        headers = {"authorization": superuser_client.headers["authorization"]}

        response = await own_browser.get("users/me", headers=headers)

        assert response.json()["is_superuser"] is True

    async def test_needs_the_permission(
        self, own_browser: AsyncClient, session: AsyncSession
    ) -> None:
        other = await create_user(session)

        assert (await own_browser.get("users")).status_code == 403
        response = await own_browser.post(f"users/{other.id}/deactivate")
        assert response.status_code == 403
        assert kind_of(response) == "auth.insufficient_scope"


router = APIRouter()


@router.websocket("/socket")
async def greet(socket: WebSocket, caller: CallerDep) -> None:
    await socket.accept()
    await socket.send_text(caller.credential)
    await socket.close()


@router.websocket("/profile")
async def greet_by_name(
    socket: WebSocket, user: Annotated[CurrentUser, requires(READ_PROFILE)]
) -> None:
    await socket.accept()
    await socket.send_text(user.username)
    await socket.close()


async def open_socket(
    settings: Settings, state: dict[str, Any], path: str, headers: dict[str, str]
) -> list[Message]:
    """What a client of the path is sent, as an ASGI server would see it."""
    socket = Feature(name="socket", routers=(router,))
    app = create_app(settings, [*enabled_features(settings), socket])
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = {"host": "test"} | headers
    no_options: dict[str, Any] = {}
    scope: Scope = {
        "type": "websocket",
        "scheme": "wss",
        "path": f"/api/v1/{path}",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("192.0.2.1", 4321),
        "server": ("test", 443),
        "subprotocols": [],
        "state": dict(state),
        "extensions": {"websocket.http.response": no_options},
    }
    await app(scope, receive, send)
    return sent


class TestWebSocket:
    @pytest.mark.parametrize("path", ["socket", "profile"])
    @pytest.mark.parametrize(
        "headers",
        [
            {"origin": "https://test"},
            {"origin": "https://public.example", "sec-fetch-site": "same-origin"},
            {},
        ],
    )
    async def test_of_our_own_page_is_opened(
        self,
        settings: Settings,
        state: dict[str, Any],
        own_browser: AsyncClient,
        path: str,
        headers: dict[str, str],
    ) -> None:
        headers |= {"cookie": f"{COOKIE}={token_of(own_browser)}"}

        sent = await open_socket(settings, state, path, headers)

        assert [it["type"] for it in sent] == [
            "websocket.accept",
            "websocket.send",
            "websocket.close",
        ]

    @pytest.mark.parametrize(
        "headers",
        [
            {"origin": "https://evil.example"},
            {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
            {"origin": "https://sub.test", "sec-fetch-site": "same-site"},
            {"origin": "null"},
        ],
    )
    async def test_of_another_site_is_refused(
        self,
        settings: Settings,
        state: dict[str, Any],
        own_browser: AsyncClient,
        headers: dict[str, str],
    ) -> None:
        headers |= {
            "cookie": f"{COOKIE}={token_of(own_browser)}",
            "x-csrf-token": own_browser.headers["x-csrf-token"],
        }

        start, body = await open_socket(settings, state, "socket", headers)

        assert start["type"] == "websocket.http.response.start"
        assert start["status"] == 403
        assert b"session.csrf" in body["body"]

    async def test_of_a_trusted_origin_is_opened(
        self, settings: Settings, state: dict[str, Any], own_browser: AsyncClient
    ) -> None:
        cors = CorsSettings(origins=("https://app.example",), allow_credentials=True)
        settings = settings.model_copy(update={"cors": cors})
        app = create_app(settings, enabled_features(settings))
        headers = {
            "cookie": f"{COOKIE}={token_of(own_browser)}",
            "origin": "https://app.example",
            "sec-fetch-site": "cross-site",
        }

        async with app.router.lifespan_context(app) as own:
            assert own is not None
            shared = state | {name: own[name] for name in ("authentication", "extensions")}
            sent = await open_socket(settings, shared, "socket", headers)

        assert sent[0]["type"] == "websocket.accept"
        assert sent[1]["text"] == "SessionCookie"

    async def test_with_a_dead_cookie_is_refused(
        self, settings: Settings, state: dict[str, Any], own_browser: AsyncClient
    ) -> None:
        token = token_of(own_browser)
        await own_browser.delete("session")

        start, _ = await open_socket(settings, state, "socket", {"cookie": f"{COOKIE}={token}"})

        assert start["status"] == 401
