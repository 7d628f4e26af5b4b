"""Real transactions side by side; one of two wins."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from pyotp import TOTP
from sqlalchemy import select

from app.infrastructure.database.database import Database
from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD, create_user, log_in
from tests.support import client_of

from .phone import Clock, Phone, first_half, second_half

pytestmark = pytest.mark.anyio


@pytest.fixture
async def owner(
    app: FastAPI, state: dict[str, Any], committed: Database, password_hash: str
) -> AsyncGenerator[AsyncClient]:
    """Logged in; nothing is set up yet. Here as in a service every commit is real."""
    async with committed.write_sessions() as session:
        user = await create_user(session, hashed_password=password_hash)
    async with client_of(app, state) as client:
        yield await log_in(client, state, user)


@pytest.fixture
async def held(owner: AsyncClient, committed: Database, clock: Clock) -> Phone:
    async with committed.reading() as session:
        user = (await session.scalars(select(User))).one()
    return await Phone.set_up(owner, user, clock)


def statuses(responses: list[Response]) -> list[int]:
    return sorted(response.status_code for response in responses)


async def test_one_code_of_the_app_opens_one_login(client: AsyncClient, held: Phone) -> None:
    challenges = [await first_half(client, held.user) for _ in range(4)]
    code = held.next_code()

    responses = await asyncio.gather(*(second_half(client, it, code) for it in challenges))

    assert statuses(responses) == [200, 401, 401, 401]


async def test_one_recovery_code_opens_one_login(client: AsyncClient, held: Phone) -> None:
    challenges = [await first_half(client, held.user) for _ in range(4)]
    code = held.recovery_codes[0]

    responses = await asyncio.gather(*(second_half(client, it, code) for it in challenges))

    assert statuses(responses) == [200, 401, 401, 401]


async def test_one_challenge_opens_one_login_whatever_the_codes(
    client: AsyncClient, held: Phone
) -> None:
    challenge = await first_half(client, held.user)
    codes = [held.next_code(), *held.recovery_codes[:3]]

    responses = await asyncio.gather(*(second_half(client, challenge, it) for it in codes))

    assert statuses(responses) == [200, 401, 401, 401]


async def test_one_activation_gives_recovery_codes(owner: AsyncClient, clock: Clock) -> None:
    secret = (await owner.post("two-factor/enrol")).json()["secret"]
    body = {"code": TOTP(secret).at(clock.now)}

    responses = await asyncio.gather(
        *(owner.post("two-factor/activate", json=body) for _ in range(4))
    )

    assert statuses(responses) == [200, 409, 409, 409]
    assert (await owner.get("two-factor")).json()["recovery_codes_left"] == 10


async def test_guesses_at_the_same_moment_are_all_counted(client: AsyncClient, held: Phone) -> None:
    challenge, wrong = await first_half(client, held.user), held.wrong_code()

    responses = await asyncio.gather(*(second_half(client, challenge, wrong) for _ in range(9)))

    assert statuses(responses) == [401] * 5 + [429] * 4


async def test_what_a_refusal_records_outlives_it(client: AsyncClient, held: Phone) -> None:
    """The count stands although each request was refused."""
    challenge = await first_half(client, held.user)
    for _ in range(5):
        assert (await second_half(client, challenge, held.wrong_code())).status_code == 401

    assert (await second_half(client, challenge, held.next_code())).status_code == 429


async def test_every_route_does_its_work(
    owner: AsyncClient, client: AsyncClient, held: Phone
) -> None:
    """None waits for a lock that it holds itself."""
    code = {"code": held.next_code()}
    assert (await owner.post("two-factor/recovery-codes", json=code)).status_code == 200
    halted = await owner.post("auth/confirm", json={"current_password": PASSWORD})
    body = {"challenge": halted.json()["challenge"], "code": held.next_code()}
    assert (await owner.post("two-factor/confirm", json=body)).status_code == 204
    code = {"code": held.next_code()}
    assert (await owner.request("DELETE", "two-factor", json=code)).status_code == 204
    form = {"username": held.user.username, "password": PASSWORD}
    assert (await client.post("auth/token", data=form)).status_code == 200
