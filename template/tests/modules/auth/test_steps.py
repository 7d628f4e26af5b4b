"""What another feature may ask for before a login is complete."""

from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.core.errors import ForbiddenError
from app.core.extensions import Extensions
from app.modules.auth.models import LoginSession
from app.modules.auth.steps import Login, LoginStep
from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD, log_in
from tests.support import client_of

pytestmark = pytest.mark.anyio


class RiddleError(ForbiddenError):
    code = "riddle.unsolved"
    title = "Riddle unsolved"


class Riddle(LoginStep):
    async def check(self, session: AsyncSession, login: Login) -> None:  # noqa: ARG002
        raise RiddleError("What walks on four legs in the morning?")


@pytest.fixture
def guarded(app: FastAPI, state: dict[str, Any]) -> AsyncClient:
    extensions = Extensions((*state["extensions"].of(object), Riddle()))
    return client_of(app, {**state, "extensions": extensions})


async def test_halts_a_login_and_is_recorded(
    guarded: AsyncClient, user: User, session: AsyncSession
) -> None:
    with capture_logs() as lines:
        response = await guarded.post(
            "auth/token", data={"username": user.username, "password": PASSWORD}
        )

    assert response.status_code == 403
    assert response.json()["type"] == "urn:problem:riddle.unsolved"
    (event,) = [line for line in lines if line["event"] == "security event"]
    assert event["name"] == "login_halted"
    assert event["reason"] == "riddle.unsolved"
    assert event["methods"] == "pwd"
    assert event["target_id"] == str(user.id)
    assert (await session.scalars(select(LoginSession))).all() == []


async def test_halts_a_confirmation(
    guarded: AsyncClient, state: dict[str, Any], user: User
) -> None:
    await log_in(guarded, state, user)

    response = await guarded.post("auth/confirm", json={"current_password": PASSWORD})

    assert response.status_code == 403
    assert response.json()["type"] == "urn:problem:riddle.unsolved"
