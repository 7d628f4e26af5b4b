"""One schedule, however many beats."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from celery import Celery, signals
from pydantic import SecretStr
from sqlalchemy import delete
from structlog.testing import capture_logs

from app.bootstrap.lifespan import open_features
from app.core.extensions import Extensions
from app.core.feature import extensions_of
from app.infrastructure.celery.models import ScheduledRun
from app.infrastructure.celery.runtime import Runtime
from app.infrastructure.celery.schedule import StoredScheduler, claim, last_sent
from app.infrastructure.celery.settings import BEAT, CelerySettings
from app.infrastructure.celery.tasks import Periodic
from app.infrastructure.celery.worker import create_worker
from app.infrastructure.database.database import Database
from app.infrastructure.database.errors import DatabaseUnreachableError
from app.infrastructure.database.settings import DatabaseSettings

from .kettle import features, whistle

EVERY = Periodic(task=whistle, every=timedelta(seconds=60))


@pytest.fixture
def database(database_settings: DatabaseSettings) -> Generator[Callable[[Any], Any]]:
    """Runs what is given in a transaction; what beats have noted is cleared away."""

    async def transact(work: Any) -> Any:  # noqa: ANN401
        database = Database(database_settings)
        try:
            async with database.transaction() as session:
                return await work(session)
        finally:
            await database.aclose()

    yield lambda work: asyncio.run(transact(work))
    asyncio.run(transact(lambda session: session.execute(delete(ScheduledRun))))


@pytest.fixture
def make_beat(
    broker_url: str, tmp_path: Path, database_settings: DatabaseSettings
) -> Generator[Callable[..., StoredScheduler]]:
    """A beat of this test's, without its main loop."""
    with ExitStack() as stack:

        def make(url: str = broker_url) -> StoredScheduler:
            settings = CelerySettings(
                broker_url=SecretStr(url),
                queue=f"beat-{tmp_path.name}",
                heartbeat_folder=tmp_path,
                dispatch_timeout_seconds=1,
            )
            parts = features(database_settings, settings, EVERY)
            celery: Celery = create_worker(extensions_of(parts), partial(open_features, parts))
            beat = StoredScheduler(celery)
            stack.callback(celery.close)
            stack.callback(beat.close)
            return beat

        yield make


def sent(beat: StoredScheduler) -> list[str]:
    """What a few turns of the main loop send."""
    with capture_logs() as lines:
        for _ in range(4):
            beat.tick()
    return [line["name"] for line in lines if line["event"] == "scheduled"]


def minutes_ago(minutes: float) -> Callable[[Any], Any]:
    at = datetime.now(UTC) - timedelta(minutes=minutes)

    async def work(session: Any) -> None:  # noqa: ANN401
        now = datetime.now(UTC)
        for name in (whistle.name, "database.purge"):
            seen = await last_sent(session, name, now)
            moved = at if name == whistle.name else seen
            assert await claim(session, name, seen=seen, at=moved)

    return work


class TestBeat:
    def test_sends_what_is_due_once_for_all_beats(
        self, make_beat: Callable[..., StoredScheduler], database: Callable[[Any], Any]
    ) -> None:
        database(minutes_ago(2))
        first, second = make_beat(), make_beat()

        assert sent(first) == ["kettle.whistle"]
        assert sent(second) == []

    def test_counts_from_the_first_start_and_not_from_the_last(
        self, make_beat: Callable[..., StoredScheduler], database: Callable[[Any], Any]
    ) -> None:
        assert sent(make_beat()) == []
        database(minutes_ago(0.5))
        assert sent(make_beat()) == []
        database(minutes_ago(1.1))
        assert sent(make_beat()) == ["kettle.whistle"]

    def test_lets_one_claim_of_two_succeed(
        self, make_beat: Callable[..., StoredScheduler], database: Callable[[Any], Any]
    ) -> None:
        database(minutes_ago(2))
        first, second = make_beat(), make_beat()
        entry = second.schedule["kettle.whistle"]
        assert sent(first) == ["kettle.whistle"]

        with capture_logs() as lines:
            second.apply_entry(entry)

        assert lines == []

    def test_sends_later_what_the_broker_did_not_take(
        self,
        make_beat: Callable[..., StoredScheduler],
        database: Callable[[Any], Any],
        broker_url: str,
    ) -> None:
        nobody = urlsplit(broker_url)._replace(netloc="127.0.0.1:1").geturl()
        database(minutes_ago(2))
        broken = make_beat(nobody)
        with capture_logs() as lines:
            assert broken.tick() == 5
        assert [line["event"] for line in lines] == ["schedule not sent"]
        assert "127.0.0.1" not in str(lines)

        assert sent(make_beat()) == ["kettle.whistle"]

    @pytest.mark.parametrize("step", ["_refresh", "_claim"])
    def test_goes_on_when_the_database_comes_back(
        self,
        step: str,
        make_beat: Callable[..., StoredScheduler],
        database: Callable[[Any], Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        database(minutes_ago(2))
        beat = make_beat()

        def unreachable(*_: object, **__: object) -> None:
            raise DatabaseUnreachableError("ConnectionRefusedError")

        with monkeypatch.context() as patch, capture_logs() as lines:
            patch.setattr(beat, step, unreachable)
            assert beat.tick() == 5
        assert [line["event"] for line in lines] == ["schedule unavailable"]

        assert sent(beat) == ["kettle.whistle"]

    def test_shows_signs_of_life_until_it_stops(
        self, make_beat: Callable[..., StoredScheduler], tmp_path: Path
    ) -> None:
        beat = make_beat()
        assert not CelerySettings(heartbeat_folder=tmp_path).heartbeat(BEAT).is_alive
        beat.tick()
        assert CelerySettings(heartbeat_folder=tmp_path).heartbeat(BEAT).is_alive

        beat.close()
        assert not CelerySettings(heartbeat_folder=tmp_path).heartbeat(BEAT).is_alive


class TestWorkerApplication:
    def test_needs_a_broker(self, database_settings: DatabaseSettings) -> None:
        parts = features(database_settings, CelerySettings())
        with pytest.raises(SystemExit, match="CELERY_BROKER_URL names no broker"):
            create_worker(extensions_of(parts), partial(open_features, parts))

    def test_is_supervised_around_the_lives_of_its_processes(
        self, database_settings: DatabaseSettings, broker_url: str
    ) -> None:
        lines: list[str] = []

        @contextmanager
        def supervised() -> Generator[None]:
            lines.append("begin")
            yield
            lines.append("end")

        settings = CelerySettings(broker_url=SecretStr(broker_url))
        parts = features(database_settings, settings)
        create_worker(extensions_of(parts), partial(open_features, parts), supervised)
        assert lines == []

        # As a worker does before it forks, and when all are gone.
        signals.worker_init.send(sender=None)
        assert lines == ["begin"]
        signals.worker_shutdown.send(sender=None)
        assert lines == ["begin", "end"]


class TestRuntime:
    def test_opens_the_features_for_one_job_alone_if_they_are_not_open(self) -> None:
        events: list[str] = []

        async def job(state: Any) -> str:  # noqa: ANN401
            events.append("job")
            return str(state["extensions"])

        def opened() -> Any:  # noqa: ANN401
            events.append("open")
            return open_features([])

        runtime = Runtime(opened, CelerySettings())
        assert "Extensions" in runtime.run(job)
        runtime.close()
        runtime.open()
        runtime.run(job)
        runtime.close()

        assert events == ["open", "job", "open", "job"]
        assert Extensions().of(Periodic) == ()
