"""`requires_rank`, for owners' own routes."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from app.core.feature import Feature
from app.modules.role.dependencies import requires_rank
from app.modules.user.models import CurrentUser, User
from tests.fixtures.auth import log_in
from tests.support import client_of

from .arrange import create_role, give

pytestmark = pytest.mark.anyio

router = APIRouter()


@router.get("/tower")
async def climb(user: Annotated[CurrentUser, requires_rank(40)]) -> str:
    return user.username


@pytest.fixture
async def tower(settings: Settings, state: dict[str, Any]) -> AsyncGenerator[AsyncClient]:
    """The same service with one more route; nobody is logged in."""
    own = Feature(name="tower", routers=(router,))
    app = create_app(settings, [*enabled_features(settings), own])
    async with client_of(app, state) as client:
        yield client


class TestRequiresRank:
    @pytest.mark.parametrize(("rank", "status"), [(39, 403), (40, 200), (100, 200)])
    async def test_admits_this_rank_and_higher_ones(
        self,
        tower: AsyncClient,
        state: dict[str, Any],
        user: User,
        session: AsyncSession,
        rank: int,
        status: int,
    ) -> None:
        await give(session, user, await create_role(session, rank=rank))
        await log_in(tower, state, user)

        assert (await tower.get("tower")).status_code == status

    async def test_records_who_is_refused(
        self, tower: AsyncClient, state: dict[str, Any], user: User
    ) -> None:
        await log_in(tower, state, user)

        with capture_logs() as lines:
            response = await tower.get("tower")

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:role.rank_too_low"
        (event,) = [line for line in lines if line["event"] == "security event"]
        assert (event["name"], event["actor_id"]) == ("unauthorized_access", str(user.id))
        assert event["reason"] == "role.rank_too_low"

    async def test_admits_superusers(
        self, tower: AsyncClient, state: dict[str, Any], superuser: User
    ) -> None:
        await log_in(tower, state, superuser)

        assert (await tower.get("tower")).status_code == 200

    async def test_refuses_limited_tokens_and_strangers(
        self, tower: AsyncClient, state: dict[str, Any], superuser: User
    ) -> None:
        assert (await tower.get("tower")).status_code == 401
        await log_in(tower, state, superuser, scopes=["users:read"])

        assert (await tower.get("tower")).status_code == 403
