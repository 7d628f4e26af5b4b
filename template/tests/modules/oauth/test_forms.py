from collections.abc import AsyncGenerator
from typing import Any, ClassVar

import pytest
from fastapi import Response
from httpx2 import AsyncClient
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from app.core.errors import ForbiddenError
from app.core.feature import Feature, extensions_of
from app.modules.auth.models import LoginSession
from app.modules.auth.steps import Grant, Login, LoginStep
from tests.fixtures.oauth import leave
from tests.support import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("google", "github")]


class Biscuit(BaseModel):
    crumbs: int


class BiscuitGrant(Grant):
    """In a cookie, like a login for browsers."""

    name: ClassVar[str] = "biscuit"
    schema = Biscuit

    async def issue(
        self,
        connection: HTTPConnection,  # noqa: ARG002
        response: Response,
        session: AsyncSession,  # noqa: ARG002
        login_session: LoginSession,
    ) -> BaseModel:
        response.set_cookie("biscuit", str(login_session.id))
        return Biscuit(crumbs=1)


class CakeGrant(BiscuitGrant):
    """In the body, like an access token."""

    name: ClassVar[str] = "cake"

    async def issue(
        self,
        connection: HTTPConnection,  # noqa: ARG002
        response: Response,  # noqa: ARG002
        session: AsyncSession,  # noqa: ARG002
        login_session: LoginSession,  # noqa: ARG002
    ) -> BaseModel:
        return Biscuit(crumbs=2)


class PasswordWordError(ForbiddenError):
    code = "test.password_word"
    title = "Say the word"


class WordStep(LoginStep):
    async def check(self, session: AsyncSession, login: Login) -> None:  # noqa: ARG002
        if login.methods == frozenset({"fed"}) and login.grant == "token":
            raise PasswordWordError("Say it.", hint="swordfish")


class TestForms:
    @pytest.fixture
    async def baker(self, settings: Settings, state: dict[str, Any]) -> AsyncGenerator[AsyncClient]:
        offered = (BiscuitGrant(), CakeGrant(), WordStep())
        features = [*enabled_features(settings), Feature(name="baker", extensions=offered)]
        extended = state | {"extensions": extensions_of(features)}
        async with client_of(create_app(settings, features), extended) as client:
            yield client

    async def test_a_login_in_cookies_goes_on(
        self, baker: AsyncClient, session: AsyncSession
    ) -> None:
        back = await leave(baker, "github", grant="biscuit", next="/kitchen?a=b")

        response = await baker.get("oauth/github/callback", params=back)

        assert response.status_code == 303
        assert response.headers["location"] == "/kitchen?a=b"
        assert response.content == b""
        kind = await session.scalar(select(LoginSession.kind))
        assert kind == "biscuit"
        assert list(baker.cookies) == ["biscuit"]

    async def test_goes_to_the_root_without_a_wish(self, baker: AsyncClient) -> None:
        back = await leave(baker, "github", grant="biscuit")

        response = await baker.get("oauth/github/callback", params=back)

        assert response.headers["location"] == "/"

    async def test_any_other_is_in_the_answer(self, baker: AsyncClient) -> None:
        back = await leave(baker, "github", grant="cake")

        response = await baker.get("oauth/github/callback", params=back)

        assert response.status_code == 200
        assert response.json() == {"crumbs": 2}
        assert list(baker.cookies) == []

    async def test_a_further_step_reaches_the_client(
        self, baker: AsyncClient, session: AsyncSession
    ) -> None:
        back = await leave(baker, "github")

        response = await baker.get("oauth/github/callback", params=back)

        assert response.status_code == 403
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["type"] == "urn:problem:test.password_word"
        assert response.json()["hint"] == "swordfish"
        assert await session.scalar(select(LoginSession.id)) is None

    async def test_are_described(self, baker: AsyncClient) -> None:
        document = (await baker.get("http://test/openapi.json")).json()

        operation = document["paths"]["/api/v1/oauth/{provider}/authorize"]["get"]
        grant = next(it for it in operation["parameters"] if it["name"] == "grant")
        assert grant["schema"]["enum"][0] == "token"
        assert grant["schema"]["enum"][-2:] == ["biscuit", "cake"]
        responses = document["paths"]["/api/v1/oauth/{provider}/callback"]["get"]["responses"]
        body = responses["200"]["content"]["application/json"]["schema"]
        names = [it["$ref"].rpartition("/")[2] for it in body["anyOf"]]
        assert (names[0], names[-2:]) == ("TokenRead", ["Biscuit", "LinkedAccountRead"])
