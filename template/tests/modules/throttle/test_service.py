import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.database import Database
from app.infrastructure.database.purge import purge
from app.modules.throttle.errors import TooManyAttemptsError
from app.modules.throttle.models import AttemptCount
from app.modules.throttle.service import Limit, Throttle, forget_attempts
from tests.fixtures.auth import Witness

pytestmark = pytest.mark.anyio

THREE = Limit(name="sample", most=3, window_seconds=60)


@pytest.fixture
def throttle(state: dict[str, Any], witness: Witness) -> Throttle:  # noqa: ARG001 (its events)
    return Throttle(state["database"], state["events"])


async def passes(throttle: Throttle, subject: str, limit: Limit = THREE) -> bool:
    try:
        await throttle.take(limit, subject)
    except TooManyAttemptsError:
        return False
    return True


class TestTake:
    async def test_lets_so_many_pass(self, throttle: Throttle) -> None:
        assert [await passes(throttle, "ada") for _ in range(5)] == [True] * 3 + [False] * 2

    async def test_counts_each_subject_and_each_limit_by_itself(self, throttle: Throttle) -> None:
        one = Limit(name="another", most=1, window_seconds=60)
        for _ in range(3):
            await throttle.take(THREE, "ada")

        assert await passes(throttle, "bob")
        assert await passes(throttle, "ada", one)

    async def test_tells_how_long_to_wait(self, throttle: Throttle) -> None:
        with pytest.raises(TooManyAttemptsError) as caught:
            for _ in range(4):
                await throttle.take(THREE, "ada")

        assert 58 <= caught.value.retry_after_seconds <= 60

    async def test_begins_again_when_the_window_is_over(
        self, throttle: Throttle, session: AsyncSession
    ) -> None:
        for _ in range(4):
            await passes(throttle, "ada")
        await session.execute(update(AttemptCount).values(window_ends_at=datetime.now(UTC)))
        await session.commit()

        assert [await passes(throttle, "ada") for _ in range(4)] == [True] * 3 + [False]

    async def test_records_the_first_that_is_refused(
        self, throttle: Throttle, witness: Witness
    ) -> None:
        for _ in range(6):
            await passes(throttle, "ada")

        assert witness.names == ["rate_limit_exceeded"]
        assert dict(witness.events[0].details) == {"limit": "sample"}

    async def test_stores_nothing_about_the_subject(
        self, throttle: Throttle, session: AsyncSession
    ) -> None:
        await throttle.take(THREE, "ada@example.com")

        (key,) = (await session.scalars(select(AttemptCount.key))).all()
        assert key.startswith("sample:")
        assert "ada" not in key

    async def test_many_at_once_are_counted_one_by_one(
        self, state: dict[str, Any], committed: Database
    ) -> None:
        throttle = Throttle(committed, state["events"])

        results = await asyncio.gather(*(passes(throttle, "ada") for _ in range(12)))

        assert results.count(True) == 3


class TestGiveBack:
    async def test_makes_room_for_one_more(self, throttle: Throttle) -> None:
        for _ in range(3):
            await throttle.take(THREE, "ada")

        await throttle.give_back(THREE, "ada")

        assert [await passes(throttle, "ada") for _ in range(2)] == [True, False]

    async def test_of_nothing_does_nothing(self, throttle: Throttle) -> None:
        await throttle.give_back(THREE, "ada")

        assert [await passes(throttle, "ada") for _ in range(4)] == [True] * 3 + [False]


async def test_forgetting_starts_again_from_none(throttle: Throttle, session: AsyncSession) -> None:
    for _ in range(4):
        await passes(throttle, "ada")

    assert await forget_attempts(session, THREE, "ada")
    assert not await forget_attempts(session, THREE, "ada")
    await session.commit()

    assert await passes(throttle, "ada")


async def test_windows_that_are_over_are_purged(
    throttle: Throttle, session: AsyncSession, state: dict[str, Any]
) -> None:
    await throttle.take(THREE, "ada")
    await session.execute(update(AttemptCount).values(window_ends_at=datetime.now(UTC)))
    await session.commit()
    await throttle.take(THREE, "bob")

    counts = await purge(state["database"], state["extensions"])

    assert counts["attempts"] == 1
    assert len((await session.scalars(select(AttemptCount))).all()) == 1
