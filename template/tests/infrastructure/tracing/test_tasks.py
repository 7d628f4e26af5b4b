"""One trace: from a request through the database to the worker that does its task."""

from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import JsonValue, SecretStr
from sqlalchemy import delete, text
from structlog.testing import capture_logs

from app.bootstrap.lifespan import open_features
from app.bootstrap.settings import Settings
from app.core.feature import Feature, extensions_of
from app.core.routing import PrefixRouter
from app.core.settings import Environment
from app.infrastructure.celery import feature as celery
from app.infrastructure.celery.models import DeadLetter, TaskExecution
from app.infrastructure.celery.queue import TaskQueueDep
from app.infrastructure.celery.settings import CelerySettings
from app.infrastructure.celery.tasks import NoPayload, TaskContext, task
from app.infrastructure.celery.worker import create_worker
from app.infrastructure.database import feature as database
from app.infrastructure.database.database import Database
from app.infrastructure.database.session import SessionDep
from app.infrastructure.database.settings import DatabaseSettings
from app.infrastructure.logging.settings import LogFormat, LogSettings
from app.infrastructure.logging.setup import configure_logging
from app.infrastructure.logging.watching import show
from app.infrastructure.tracing.feature import feature
from app.infrastructure.tracing.settings import OtelSettings
from tests.fixtures.celery import fork, until_true
from tests.support import serving

from .conftest import Collector, Sent

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("_cleared")]

ORDER = "POST /api/v1/tea/{what}"
SENT = text("SELECT :value AS sent")
DONE = text("SELECT :value AS done")


@task("tea.brew", NoPayload, retries=0)
async def brew(context: TaskContext, _: NoPayload) -> JsonValue:
    await context.session.execute(DONE, {"value": "hunter2"})
    return None


@task("tea.burn", NoPayload)
async def burn(*_: object) -> JsonValue:
    raise LookupError("hunter2")


def kitchen(
    collector: str, database_settings: DatabaseSettings, settings: CelerySettings
) -> list[Feature]:
    router = PrefixRouter(prefix="/tea", tags=["tea"])
    known = {"brew": brew, "burn": burn}

    @router.post("/{what}")
    async def order(what: str, session: SessionDep, queue: TaskQueueDep) -> None:
        await session.execute(SENT, {"value": "hunter2"})
        await queue.enqueue(session, known[what], NoPayload())

    return [
        feature(
            OtelSettings(exporter_otlp_endpoint=collector),
            environment=Environment.TEST,
            title="Tea",
            version="1",
        ),
        database.feature(database_settings, environment=Environment.TEST),
        celery.feature(settings, purge_interval_seconds=0),
        Feature(name="tea", routers=(router,), extensions=(brew, burn)),
    ]


def work(collector: str, database_settings: DatabaseSettings, settings: CelerySettings) -> None:
    """What `celery -A ... worker` does, with these features."""
    configure_logging(LogSettings(format=LogFormat.JSON), deployed=True)
    parts = kitchen(collector, database_settings, settings)
    app = create_worker(extensions_of(parts), partial(open_features, parts))
    # Without the options it would spend a second looking for others.
    app.start(["-q", "worker", "--concurrency=1", "--without-mingle", "--without-gossip"])


@pytest.fixture
async def _cleared(database_settings: DatabaseSettings) -> AsyncGenerator[None]:
    yield
    used = Database(database_settings)
    async with used.transaction() as session:
        for table in (DeadLetter, TaskExecution):
            await session.execute(delete(table))
    await used.aclose()


def asked(collector: Collector, column: str) -> Sent:
    """The span of the one statement with this column."""
    (found,) = [it for it in collector.spans if column in it.attributes.get("db.query.text", "")]
    return found


class TestTask:
    async def test_of_a_worker_continues_the_trace_of_its_request(
        self,
        settings: Settings,
        database_settings: DatabaseSettings,
        broker_url: str,
        collector: Collector,
        tmp_path: Path,
    ) -> None:
        celery_settings = CelerySettings(
            broker_url=SecretStr(broker_url), queue=f"test-{uuid4().hex}", heartbeat_folder=tmp_path
        )
        parts = (collector.url, database_settings, celery_settings)
        worker = fork(tmp_path / "log", work, *parts)
        try:
            async with serving(settings, kitchen(*parts)) as client:
                response = await client.post("tea/brew")
            await worker.ready(tmp_path / "celery-worker.heartbeat")
            await until_true(partial(worker.lines, "task"))
            # It sends what it has before it ends.
            worker.ask_to_stop()
            assert await worker.stopped() == 0
        finally:
            worker.kill()

        request, brewing = collector.named(ORDER), collector.named("task tea.brew")
        sent, done = asked(collector, "sent"), asked(collector, "done")
        assert {it.trace_id for it in collector.spans} == {request.trace_id}
        assert brewing.parent_id == sent.parent_id == request.span_id
        assert done.parent_id == brewing.span_id
        assert (sent.kind, brewing.kind, done.kind) == ("client", "consumer", "client")
        assert brewing.attributes["request.id"] == response.headers["x-request-id"]
        assert b"hunter2" not in collector.raw
        (line,) = worker.lines("task")
        assert (line["trace_id"], line["span_id"]) == (brewing.trace_id, brewing.span_id)

    @pytest.mark.parametrize("inline", [True, False])
    async def test_that_the_process_does_itself_continues_it_too(
        self,
        settings: Settings,
        database_settings: DatabaseSettings,
        collector: Collector,
        *,
        inline: bool,
    ) -> None:
        parts = kitchen(collector.url, database_settings, CelerySettings(inline=inline))
        async with serving(settings, parts) as client:
            await client.post("tea/brew")

        request, brewing = collector.named(ORDER), collector.named("task tea.brew")
        assert brewing.parent_id == request.span_id
        assert asked(collector, "done").parent_id == brewing.span_id

    async def test_that_fails_says_so(
        self,
        settings: Settings,
        database_settings: DatabaseSettings,
        collector: Collector,
    ) -> None:
        parts = kitchen(collector.url, database_settings, CelerySettings(inline=True))
        with capture_logs(processors=[show]):
            async with serving(settings, parts) as client:
                assert (await client.post("tea/burn")).status_code == 200

        burning = collector.named("task tea.burn")
        assert burning.is_error
        assert burning.attributes["error.type"] == "LookupError"
        assert collector.named(ORDER).is_error is False
        assert b"hunter2" not in collector.raw
