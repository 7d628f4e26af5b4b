"""What another feature may ask for before a permission that is not general is used."""

from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.core.errors import ForbiddenError
from app.core.extensions import Extensions
from app.modules.user.authentication import Authentication
from app.modules.user.models import User
from app.modules.user.permissions import Condition
from tests.fixtures.auth import log_in
from tests.support import client_of

pytestmark = pytest.mark.anyio


class TrainingMissingError(ForbiddenError):
    code = "training.missing"
    title = "Training missing"


class Trained(Condition):
    async def check(self, session: AsyncSession, user_id: UUID) -> None:  # noqa: ARG002
        raise TrainingMissingError(f"{user_id} was not trained.")


@pytest.fixture
def strict(app: FastAPI, state: dict[str, Any]) -> AsyncClient:
    extensions = Extensions((*state["extensions"].of(object), Trained()))
    authentication = Authentication(extensions, recent_seconds=900)
    return client_of(app, {**state, "authentication": authentication})


async def test_holds_for_superusers(
    strict: AsyncClient, state: dict[str, Any], superuser: User
) -> None:
    await log_in(strict, state, superuser)

    with capture_logs() as lines:
        response = await strict.get("users")

    assert response.status_code == 403
    assert response.json()["type"] == "urn:problem:training.missing"
    (event,) = [line for line in lines if line["event"] == "security event"]
    assert (event["name"], event["log_level"]) == ("unauthorized_access", "warning")
    assert event["required"] == "users:read"


async def test_leaves_everybodys_permissions_alone(
    strict: AsyncClient, state: dict[str, Any], superuser: User
) -> None:
    await log_in(strict, state, superuser)

    assert (await strict.get("users/me")).status_code == 200


async def test_is_asked_after_the_permission(
    strict: AsyncClient, state: dict[str, Any], user: User
) -> None:
    """Who may not do it anyway is not told what else is missing."""
    await log_in(strict, state, user)

    response = await strict.get("users")
    assert response.json()["type"] == "urn:problem:auth.insufficient_scope"
