"""Guessing passwords: what is counted, whom it locks out, and what the answers give away."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from httpx2 import AsyncClient, Response
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.database import Database
from app.infrastructure.security.settings import AuthSettings
from app.modules.throttle.models import AttemptCount
from app.modules.user.models import User
from app.modules.user.service import (
    find_for_login,
    may_still_log_in,
    strengthen_password_hash,
)
from tests.fixtures.auth import ADA, PASSWORD, Witness, create_user

pytestmark = pytest.mark.anyio

WRONG = "not the password"


async def attempt(client: AsyncClient, name: str, password: str = WRONG) -> Response:
    return await client.post("auth/token", data={"username": name, "password": password})


async def fail(client: AsyncClient, name: str, times: int) -> list[int]:
    return [(await attempt(client, name)).status_code for _ in range(times)]


class TestLockout:
    async def test_counts_though_every_failure_is_refused(
        self, client: AsyncClient, user: User, adjust_auth: Callable[..., AuthSettings]
    ) -> None:
        """A counter in the request's own transaction would be rolled back with the 401."""
        adjust_auth(failures_per_account=3)

        assert await fail(client, user.username, 5) == [401, 401, 401, 429, 429]

    async def test_the_right_password_does_not_open_it(
        self, client: AsyncClient, user: User, adjust_auth: Callable[..., AuthSettings]
    ) -> None:
        adjust_auth(failures_per_account=2)
        await fail(client, user.username, 2)

        response = await attempt(client, user.username, PASSWORD)

        assert response.status_code == 429
        assert response.json()["type"] == "urn:problem:throttle.too_many_attempts"
        assert 890 <= int(response.headers["retry-after"]) <= 900

    async def test_is_one_for_all_names_of_an_account(
        self, client: AsyncClient, user: User, adjust_auth: Callable[..., AuthSettings]
    ) -> None:
        adjust_auth(failures_per_account=2)
        await fail(client, user.username, 1)
        await fail(client, user.email, 1)

        assert await fail(client, user.username.upper(), 1) == [429]

    async def test_a_name_that_nobody_has_is_locked_alike(
        self, client: AsyncClient, adjust_auth: Callable[..., AuthSettings]
    ) -> None:
        adjust_auth(failures_per_account=2)

        assert await fail(client, "nobody", 3) == [401, 401, 429]
        assert await fail(client, "not an address@", 3) == [401, 401, 429]

    async def test_leaves_other_accounts_alone(
        self,
        client: AsyncClient,
        user: User,
        session: AsyncSession,
        adjust_auth: Callable[..., AuthSettings],
    ) -> None:
        adjust_auth(failures_per_account=1)
        other = await create_user(session)
        await fail(client, other.username, 2)

        assert (await attempt(client, user.username, PASSWORD)).status_code == 200

    async def test_success_starts_the_count_again(
        self, client: AsyncClient, user: User, adjust_auth: Callable[..., AuthSettings]
    ) -> None:
        adjust_auth(failures_per_account=2)
        await fail(client, user.username, 1)
        await attempt(client, user.username, PASSWORD)

        assert await fail(client, user.username, 2) == [401, 401]

    async def test_ends_with_the_window(
        self,
        client: AsyncClient,
        user: User,
        session: AsyncSession,
        adjust_auth: Callable[..., AuthSettings],
    ) -> None:
        adjust_auth(failures_per_account=1)
        await fail(client, user.username, 2)
        await session.execute(update(AttemptCount).values(window_ends_at=datetime.now(UTC)))
        await session.commit()

        assert (await attempt(client, user.username, PASSWORD)).status_code == 200

    async def test_is_recorded_once(
        self,
        client: AsyncClient,
        user: User,
        witness: Witness,
        adjust_auth: Callable[..., AuthSettings],
    ) -> None:
        adjust_auth(failures_per_account=2)

        await fail(client, user.username, 4)

        assert witness.names == ["login_failure", "login_failure", "account_locked"]
        assert {event.target_id for event in witness.events} == {user.id}
        assert all(event.is_warning and event.actor_id is None for event in witness.events)

    async def test_many_guesses_at_once_are_no_more_than_one_after_another(
        self,
        client: AsyncClient,
        committed: Database,  # noqa: ARG002 (connections of their own)
        adjust_auth: Callable[..., AuthSettings],
    ) -> None:
        adjust_auth(failures_per_account=3)
        await client.post("users", json=ADA)

        answers = await asyncio.gather(*(attempt(client, ADA["username"]) for _ in range(12)))

        assert Counter(it.status_code for it in answers) == {401: 3, 429: 9}


class TestUnlock:
    async def test_lets_in_again(
        self,
        client: AsyncClient,
        superuser_client: AsyncClient,
        user: User,
        witness: Witness,
        adjust_auth: Callable[..., AuthSettings],
    ) -> None:
        adjust_auth(failures_per_account=1)
        await fail(client, user.username, 2)

        response = await superuser_client.post(f"users/{user.id}/unlock")

        assert response.status_code == 204
        assert witness.names[-1] == "account_unlocked"
        assert (await attempt(client, user.username, PASSWORD)).status_code == 200

    async def test_of_one_that_is_not_locked_does_nothing(
        self, superuser_client: AsyncClient, user: User, witness: Witness
    ) -> None:
        response = await superuser_client.post(f"users/{user.id}/unlock")

        assert response.status_code == 204
        assert witness.names == []

    async def test_is_for_administrators(
        self, client: AsyncClient, user_client: AsyncClient, user: User
    ) -> None:
        assert (await client.post(f"users/{user.id}/unlock")).status_code == 401
        assert (await user_client.post(f"users/{user.id}/unlock")).status_code == 403

    async def test_of_nobody_is_not_found(self, superuser_client: AsyncClient) -> None:
        response = await superuser_client.post("users/01a200f3-139a-706c-bebd-38dcb437f046/unlock")

        assert response.status_code == 404


class TestAddresses:
    async def test_one_address_may_fail_so_often_whatever_the_accounts(
        self, client: AsyncClient, user: User, adjust_auth: Callable[..., AuthSettings]
    ) -> None:
        adjust_auth(failures_per_address=3)
        for name in ("one", "two", "three"):
            await fail(client, name, 1)

        assert (await attempt(client, user.username, PASSWORD)).status_code == 429

    async def test_what_succeeds_is_not_counted(
        self, client: AsyncClient, user: User, adjust_auth: Callable[..., AuthSettings]
    ) -> None:
        adjust_auth(failures_per_address=2)

        answers = [await attempt(client, user.username, PASSWORD) for _ in range(4)]

        assert [it.status_code for it in answers] == [200] * 4

    async def test_a_header_does_not_change_the_address(
        self, client: AsyncClient, adjust_auth: Callable[..., AuthSettings]
    ) -> None:
        adjust_auth(failures_per_address=1)
        await fail(client, "one", 1)

        client.headers["x-forwarded-for"] = "203.0.113.9"

        assert await fail(client, "two", 1) == [429]


class TestAnswers:
    async def test_are_the_same_for_every_failure(
        self, client: AsyncClient, user: User, session: AsyncSession, password_hash: str
    ) -> None:
        closed = await create_user(session, is_active=False, hashed_password=password_hash)
        passwordless = await create_user(session)

        bodies = [
            (await attempt(client, name, password)).json()
            for name, password in [
                (user.username, WRONG),
                (closed.username, PASSWORD),
                (passwordless.username, PASSWORD),
                ("nobody", PASSWORD),
            ]
        ]

        for body in bodies:
            del body["request_id"]
        assert bodies == [bodies[0]] * 4

    async def test_failures_are_recorded_without_what_was_typed(
        self, client: AsyncClient, witness: Witness
    ) -> None:
        await fail(client, "somebody typed a password here", 1)

        (event,) = witness.events
        assert (event.name, event.target_id, dict(event.details)) == (
            "login_failure",
            None,
            {"methods": "pwd"},
        )


class TestChangesMeanwhile:
    """What happens between the check of a password and the end of a login."""

    @pytest.mark.parametrize("change", [{"hashed_password": "$another"}, {"is_active": False}])
    async def test_a_login_does_not_outrun_them(
        self, user: User, session: AsyncSession, password_hash: str, change: dict[str, object]
    ) -> None:
        assert await may_still_log_in(session, user.id, password_hash)
        assert await may_still_log_in(session, user.id, None)

        await session.execute(update(User).where(User.id == user.id).values(**change))

        assert not await may_still_log_in(session, user.id, password_hash)

    async def test_a_better_hash_does_not_undo_a_new_password(
        self, user: User, session: AsyncSession
    ) -> None:
        before = (await find_for_login(session, user.username)) or user
        await session.execute(
            update(User)
            .where(User.id == user.id)
            .values(hashed_password="$new")
            .execution_options(synchronize_session=False)
        )

        await strengthen_password_hash(session, before, "$better of the old one")

        stored = await session.scalar(select(User.__table__.c.hashed_password))
        assert stored == "$new"
