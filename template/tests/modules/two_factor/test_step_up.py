"""`TwoFactorCallerDep`, for routes of the owner."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import APIRouter
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from app.core.feature import Feature
from app.modules.auth.models import LoginSession
from app.modules.two_factor.dependencies import TwoFactorCallerDep
from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD, log_in
from tests.support import client_of

from .phone import Phone, first_half, second_half

pytestmark = pytest.mark.anyio

router = APIRouter()


@router.post("/vault")
async def open_vault(caller: TwoFactorCallerDep) -> UUID:
    return caller.user.id


@pytest.fixture
def vault(settings: Settings, state: dict[str, Any]) -> AsyncClient:
    features = [*enabled_features(settings), Feature(name="vault", routers=(router,))]
    return client_of(create_app(settings, features), state)


async def logged_in(client: AsyncClient, phone: Phone) -> AsyncClient:
    challenge = await first_half(client, phone.user)
    response = await second_half(client, challenge, phone.next_code())
    client.headers["authorization"] = f"Bearer {response.json()['access_token']}"
    return client


async def test_admits_a_recent_login_with_a_code(vault: AsyncClient, phone: Phone) -> None:
    await logged_in(vault, phone)

    assert (await vault.post("vault")).status_code == 200


async def test_refuses_an_account_without_a_second_factor(
    vault: AsyncClient, state: dict[str, Any], user: User
) -> None:
    await log_in(vault, state, user)
    response = await vault.post("vault")

    assert response.status_code == 403
    assert response.json()["type"] == "urn:problem:two_factor.step_up_required"


async def test_refuses_a_login_without_a_code(
    vault: AsyncClient, state: dict[str, Any], phone: Phone
) -> None:
    await log_in(vault, state, phone.user)

    assert (await vault.post("vault")).status_code == 403


async def test_refuses_an_old_login_until_it_is_confirmed(
    vault: AsyncClient, phone: Phone, session: AsyncSession
) -> None:
    await logged_in(vault, phone)
    for record in await session.scalars(select(LoginSession)):
        record.authenticated_at -= timedelta(hours=1)
    await session.commit()
    refused = await vault.post("vault")
    assert refused.json()["type"] == "urn:problem:auth.recent_login_required"

    halted = await vault.post("auth/confirm", json={"current_password": PASSWORD})
    body = {"challenge": halted.json()["challenge"], "code": phone.next_code()}
    assert (await vault.post("two-factor/confirm", json=body)).status_code == 204
    assert (await vault.post("vault")).status_code == 200


async def test_refuses_a_login_whose_second_factor_was_switched_off(
    vault: AsyncClient, phone: Phone
) -> None:
    await logged_in(vault, phone)
    await vault.request("DELETE", "two-factor", json={"code": phone.next_code()})
    await vault.post("auth/confirm", json={"current_password": PASSWORD})

    assert (await vault.post("vault")).status_code == 403
