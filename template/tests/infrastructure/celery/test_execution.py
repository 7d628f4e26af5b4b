"""Tasks in the process that asks for them, and what holds wherever they are done."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import JsonValue
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from app.core.extensions import Extensions
from app.infrastructure.celery.errors import TaskRetryError
from app.infrastructure.celery.execution import DURATIONS, GIVEN_UP, TaskRunner, once
from app.infrastructure.celery.local import LocalSender
from app.infrastructure.celery.models import DeadLetter, TaskExecution
from app.infrastructure.celery.purging import purge_expired
from app.infrastructure.celery.settings import CelerySettings
from app.infrastructure.celery.tasks import (
    NoPayload,
    Task,
    TaskContext,
    TaskListener,
    TaskMessage,
)
from app.infrastructure.database.database import Database
from app.infrastructure.database.errors import DatabaseUnreachableError
from app.infrastructure.database.purge import purge
from tests.fixtures.operations import Diary
from tests.support import counted

from .kettle import NoWaterError, boil, burst, simmer

pytestmark = pytest.mark.anyio

SETTINGS = CelerySettings(
    retry_wait_seconds=0.01, soft_time_limit_seconds=60, cancel_check_seconds=0.02
)


def message_of(task: Task[Any], *, owner_id: UUID | None = None, **payload: object) -> TaskMessage:
    return TaskMessage(
        id=uuid7(),
        name=task.name,
        payload=task.payload.model_validate(payload).model_dump(mode="json"),
        owner_id=owner_id,
    )


@pytest.fixture
async def _kettle(session: AsyncSession) -> None:
    await session.execute(text("CREATE TABLE kettle (cup VARCHAR(99), attempt INTEGER)"))
    await session.commit()


@pytest.fixture
def runner_of(state: dict[str, Any]) -> Callable[..., TaskRunner]:
    def build(*extensions: object, **changes: object) -> TaskRunner:
        offered = Extensions([boil, burst, *extensions])
        return TaskRunner({**state, "extensions": offered, **changes}, SETTINGS)

    return build


async def count(session: AsyncSession, source: str) -> int:
    return int(await session.scalar(text(f"SELECT count(*) FROM {source}")) or 0)  # noqa: S608


@pytest.mark.usefixtures("_kettle")
class TestLocal:
    async def test_does_a_task_before_the_answer_if_told_to(
        self, runner_of: Callable[..., TaskRunner], session: AsyncSession
    ) -> None:
        await LocalSender(runner_of(), inline=True).send(message_of(boil, cup="tea"))

        assert await count(session, "kettle") == 1

    async def test_goes_on_with_what_sent_it(
        self, runner_of: Callable[..., TaskRunner], diary: Diary
    ) -> None:
        message = message_of(boil, cup="tea").model_copy(update={"carried": {"mark": "x"}})
        await LocalSender(runner_of(diary), inline=True).send(message)

        assert diary.resumptions == [("task kettle.boil", {"mark": "x"})]

    async def test_does_it_beside_the_request_otherwise(
        self, runner_of: Callable[..., TaskRunner], session: AsyncSession
    ) -> None:
        sender = LocalSender(runner_of(), inline=False)
        await sender.send(message_of(boil, cup="tea"))
        assert await count(session, "kettle") == 0

        await sender.ping()
        await sender.aclose()
        assert await count(session, "kettle") == 1

    async def test_tries_again_and_keeps_errors_from_the_request(
        self, runner_of: Callable[..., TaskRunner], session: AsyncSession
    ) -> None:
        sender = LocalSender(runner_of(), inline=True)
        with (
            capture_logs() as lines,
            counted(DURATIONS) as durations,
            counted(GIVEN_UP) as given_up,
        ):
            await sender.send(message_of(boil, cup="late", failures=2))
            await sender.send(message_of(burst, cup="shards"))

        assert await count(session, "kettle") == 1
        assert [line["outcome"] for line in lines if line["event"] == "task"] == [
            "retry",
            "retry",
            "done",
            "failed",
        ]
        assert (await session.scalars(select(DeadLetter.name))).all() == ["kettle.burst"]
        assert set(durations) == {
            ("kettle.boil", "retry"),
            ("kettle.boil", "done"),
            ("kettle.burst", "failed"),
        }
        assert given_up == {("kettle.burst",): 1}

    async def test_does_not_wait_for_ever_when_the_service_stops(
        self, runner_of: Callable[..., TaskRunner], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.infrastructure.celery.local._CLOSE_SECONDS", 0.01)
        begun = asyncio.Event()

        async def wait(_: TaskContext, __: NoPayload) -> JsonValue:
            begun.set()
            await asyncio.sleep(60)
            return None

        endless = Task(
            name="kettle.endless", payload=NoPayload, function=wait, soft_time_limit_seconds=120
        )
        sender = LocalSender(runner_of(endless), inline=False)
        await sender.send(message_of(endless))
        await begun.wait()

        await sender.aclose()


@pytest.mark.usefixtures("_kettle")
class TestOnce:
    async def test_a_message_that_comes_again_is_not_done_again(
        self, runner_of: Callable[..., TaskRunner], session: AsyncSession
    ) -> None:
        message = message_of(boil, cup="tea")
        with capture_logs() as lines:
            for _ in range(2):
                await runner_of().run(message, 1)

        assert [line["outcome"] for line in lines] == ["done", "done before"]
        assert await count(session, "kettle") == 1

    async def test_one_that_was_done_meanwhile_is_undone(
        self, runner_of: Callable[..., TaskRunner], session: AsyncSession
    ) -> None:
        async def twin(context: TaskContext, _: NoPayload) -> JsonValue:
            await context.session.execute(text("INSERT INTO kettle VALUES ('twin', 1)"))
            await once(context.session, str(context.message.id))
            return None

        slow = Task(name="kettle.twin", payload=NoPayload, function=twin)
        with capture_logs() as lines:
            await runner_of(slow).run(message_of(slow), 1)

        assert lines[0]["outcome"] == "undone"
        assert await count(session, "kettle") == 0


class TestKey:
    async def test_is_true_for_the_first_transaction_alone(self, committed: Database) -> None:
        async def claim() -> bool:
            async with committed.transaction() as unit:
                return await once(unit, "welcome:7")

        assert sorted(await asyncio.gather(*(claim() for _ in range(5)))) == [
            False,
            False,
            False,
            False,
            True,
        ]

    async def test_is_forgotten_with_a_transaction_that_is_undone(
        self, committed: Database
    ) -> None:
        with pytest.raises(NoWaterError):
            async with committed.transaction() as unit:
                assert await once(unit, "welcome:8")
                raise NoWaterError

        async with committed.transaction() as unit:
            assert await once(unit, "welcome:8")


class Follower(TaskListener):
    def __init__(self, *, wants: bool = True, cancels: bool = False, keeps: bool = True) -> None:
        self.wants, self.cancels, self.keeps = wants, cancels, keeps
        self.results: list[JsonValue] = []
        self.codes: list[str] = []

    async def starting(self, session: AsyncSession, message: TaskMessage) -> bool:  # noqa: ARG002
        return self.wants

    async def is_cancelled(self, session: AsyncSession, message: TaskMessage) -> bool:  # noqa: ARG002
        return self.cancels

    async def finishing(
        self,
        session: AsyncSession,  # noqa: ARG002
        message: TaskMessage,  # noqa: ARG002
        result: JsonValue,
    ) -> bool:
        self.results.append(result)
        return self.keeps

    async def failing(self, session: AsyncSession, message: TaskMessage, code: str) -> None:  # noqa: ARG002
        self.codes.append(code)


@pytest.mark.usefixtures("_kettle")
class TestFollowers:
    async def test_are_told_of_the_result(self, runner_of: Callable[..., TaskRunner]) -> None:
        follower = Follower()
        await runner_of(follower).run(message_of(boil, owner_id=uuid7(), cup="tea"), 1)
        await runner_of(follower).run(message_of(boil, cup="nobody's"), 1)

        assert follower.results == [{"cup": "tea"}]

    @pytest.mark.parametrize(
        ("follower", "outcome"),
        [(Follower(wants=False), "not wanted"), (Follower(keeps=False), "undone")],
    )
    async def test_can_refuse(
        self,
        follower: Follower,
        outcome: str,
        runner_of: Callable[..., TaskRunner],
        session: AsyncSession,
    ) -> None:
        with capture_logs() as lines:
            await runner_of(follower).run(message_of(boil, owner_id=uuid7(), cup="tea"), 1)

        assert lines[0]["outcome"] == outcome
        assert await count(session, "kettle") == 0

    async def test_are_told_of_failures(self, runner_of: Callable[..., TaskRunner]) -> None:
        follower = Follower()
        with capture_logs(), pytest.raises(TimeoutError):
            await runner_of(simmer, follower).run(message_of(simmer, owner_id=uuid7()), 1)

        assert follower.codes == ["task.failed"]

    async def test_can_cancel_what_runs(
        self, runner_of: Callable[..., TaskRunner], session: AsyncSession
    ) -> None:
        runner = runner_of(Follower(cancels=True))
        message = message_of(boil, owner_id=uuid7(), cup="tea", gate="/nowhere")
        with capture_logs() as lines:
            await runner.run(message, 1)

        assert [line["outcome"] for line in lines] == ["undone"]
        assert await count(session, "kettle") == 0

    async def test_do_not_hide_that_the_service_stops(
        self, runner_of: Callable[..., TaskRunner]
    ) -> None:
        begun = asyncio.Event()

        async def wait(_: TaskContext, __: NoPayload) -> JsonValue:
            begun.set()
            await asyncio.sleep(60)
            return None

        endless = Task(name="kettle.endless", payload=NoPayload, function=wait)
        message = message_of(endless, owner_id=uuid7())
        with capture_logs():
            running = asyncio.create_task(runner_of(endless, Follower()).run(message, 1))
            await begun.wait()
        running.cancel()

        with pytest.raises(asyncio.CancelledError):
            await running


class TestFailure:
    async def test_is_not_lost_with_the_database(
        self, runner_of: Callable[..., TaskRunner], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        runner = runner_of()

        async def unreachable(*_: object, **__: object) -> None:
            raise DatabaseUnreachableError("ConnectionRefusedError")

        monkeypatch.setattr(runner, "fail", unreachable)
        with capture_logs(), pytest.raises(TaskRetryError) as caught:
            await runner.run(message_of(burst, cup="shards"), 1)

        assert caught.value.wait_seconds == 300

    async def test_of_an_attempt_waits_longer_each_time_and_never_the_same(
        self, runner_of: Callable[..., TaskRunner]
    ) -> None:
        waits = []
        with capture_logs():
            for attempt in (1, 2, 3):
                with pytest.raises(TaskRetryError) as caught:
                    await runner_of().run(message_of(boil, cup="dry", failures=9), attempt)
                waits.append(caught.value.wait_seconds)

        for number, wait in enumerate(waits):
            assert 0.005 * 2**number <= wait <= 0.01 * 2**number

    async def test_of_a_payload_that_is_no_longer_understood_is_for_good(
        self, runner_of: Callable[..., TaskRunner], session: AsyncSession
    ) -> None:
        message = TaskMessage(id=uuid7(), name=boil.name, payload={"mug": "old"})
        with capture_logs(), pytest.raises(ValueError, match="cup"):
            await runner_of().run(message, 1)

        assert (await session.scalars(select(DeadLetter.error))).all() == ["ValidationError"]

    async def test_of_the_task_itself_by_a_timeout_is_not_that_of_the_limit(
        self, runner_of: Callable[..., TaskRunner], session: AsyncSession
    ) -> None:
        async def time_out(_: TaskContext, __: NoPayload) -> JsonValue:
            raise TimeoutError

        hasty = Task(name="kettle.hasty", payload=NoPayload, function=time_out)
        with capture_logs(), pytest.raises(TimeoutError):
            await runner_of(hasty).run(message_of(hasty), 1)

        assert (await session.scalars(select(DeadLetter.error))).all() == ["TimeoutError"]


class TestPurge:
    async def test_forgets_executions_and_dead_letters_in_time(
        self, state: dict[str, Any], session: AsyncSession
    ) -> None:
        now = datetime.now(UTC)
        for days in (6, 8):
            session.add(TaskExecution(key=str(days), at=now - timedelta(days=days)))
        for days in (29, 31):
            letter = DeadLetter(id=uuid7(), name="n", message={}, error="E", code="c", attempts=1)
            letter.failed_at = now - timedelta(days=days)
            session.add(letter)
        await session.commit()

        counts = await purge(state["database"], state["extensions"])

        assert (counts["task_executions"], counts["dead_letters"]) == (1, 1)
        assert await session.scalar(select(func.count()).select_from(TaskExecution)) == 1

    async def test_is_a_task(self, state: dict[str, Any], session: AsyncSession) -> None:
        session.add(TaskExecution(key="old", at=datetime.now(UTC) - timedelta(days=8)))
        await session.commit()

        await TaskRunner(state, SETTINGS).run(message_of(purge_expired), 1)

        assert await session.get(TaskExecution, "old", populate_existing=True) is None
