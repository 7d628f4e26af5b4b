"""Who is behind a request, asked by something that knows nothing of accounts."""

from collections.abc import AsyncGenerator
from typing import Any, ClassVar

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from app.core.extensions import Extensions
from app.core.principal import Principal
from app.infrastructure.database.session import database_of
from app.modules.user.authentication import Authentication, Authenticator, Caller
from app.modules.user.dependencies import identify_caller, optional_user, require_caller
from app.modules.user.errors import NotAuthenticatedError
from app.modules.user.models import ACTIVE_USER, CurrentUser, User
from app.modules.user.permissions import READ_PROFILE
from app.modules.user.principals import CallerPrincipals
from tests.support import client_of

pytestmark = pytest.mark.anyio


class Badge(Authenticator):
    """`X-Badge: <username>`; counts how often it is asked."""

    scheme_name: ClassVar[str] = "Badge"

    def __init__(self) -> None:
        self.times = 0

    def presented(self, connection: HTTPConnection) -> str | None:
        return connection.headers.get("x-badge")

    async def authenticate(self, connection: HTTPConnection, credential: str) -> Caller:
        self.times += 1
        async with database_of(connection).reading() as session:
            row = (
                await session.execute(ACTIVE_USER.where(User.username == credential))
            ).one_or_none()
        if row is None:
            raise NotAuthenticatedError
        return Caller(user=CurrentUser(*row), credential=self.scheme_name)


class Asking:
    """The service, with somebody before it who wants to know the principal."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.found: Principal | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.found = await CallerPrincipals().resolve(HTTPConnection(scope))
        await self.app(scope, receive, send)


@pytest.fixture
def badge() -> Badge:
    return Badge()


@pytest.fixture
def asking(app: FastAPI) -> Asking:
    return Asking(app)


@pytest.fixture
async def badged(
    asking: Asking, badge: Badge, state: dict[str, Any]
) -> AsyncGenerator[AsyncClient]:
    authentication = Authentication(Extensions([badge, READ_PROFILE]), recent_seconds=900)
    async with client_of(asking, {**state, "authentication": authentication}) as client:
        yield client


class TestResolve:
    async def test_is_the_account(
        self, badged: AsyncClient, asking: Asking, badge: Badge, user: User
    ) -> None:
        response = await badged.get("users/me", headers={"x-badge": user.username})

        assert asking.found == Principal(user.id)
        assert (response.status_code, response.json()["id"]) == (200, str(user.id))
        # The route did not look a second time.
        assert badge.times == 1

    async def test_is_nobody_with_a_wrong_credential_which_the_route_still_refuses(
        self, badged: AsyncClient, asking: Asking, badge: Badge
    ) -> None:
        response = await badged.get("users/me", headers={"x-badge": "nobody"})

        assert asking.found is None
        assert response.status_code == 401
        assert badge.times == 1

    async def test_is_nobody_without_one(self, badged: AsyncClient, asking: Asking) -> None:
        response = await badged.get("users/me")

        assert asking.found is None
        assert response.status_code == 401


class TestIsAskedBy:
    def test_is_so_for_routes_that_ask_who_is_calling(self) -> None:
        principals = CallerPrincipals()

        assert principals.is_asked_by({require_caller})
        assert principals.is_asked_by({optional_user, identify_caller})
        assert not principals.is_asked_by({optional_user})
        assert not principals.is_asked_by(set())
