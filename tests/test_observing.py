"""What goes wrong in a running service is seen, wherever its owner looks, under the same request id."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from harness.commands import run
from harness.environments import Environments
from harness.projects import Renderer, add_own_feature
from harness.servers import free_port, new_database, redis, running
from harness.sinks import sink

pytestmark = pytest.mark.suite

PASSWORD = "correct horse battery"
PATIENCE_SECONDS = 30

# As an owner writes them: ways to fail.
MISHAPS = '''\
"""Ways to fail, to see who notices."""

from fastapi import APIRouter
from pydantic import JsonValue
from sqlalchemy import text

from app.core.feature import Feature
from app.infrastructure.celery.queue import TaskQueueDep
from app.infrastructure.celery.tasks import NoPayload, TaskContext, task
from app.infrastructure.database.session import ReadSessionDep, SessionDep

router = APIRouter(prefix="/mishaps", tags=["mishaps"])


@task("mishap.fail", NoPayload)
async def fail(*_: object) -> JsonValue:
    secret = "-".join(["of", "a", "variable"])  # in no line of the code, which is reported
    raise LookupError(f"{len(secret)} are too many")


@router.post("/defect")
async def defect(body: dict[str, str]) -> None:
    """Has a defect."""
    raise RuntimeError("a defect")


@router.get("/slow")
async def slow(session: ReadSessionDep) -> None:
    """Has a slow query."""
    await session.execute(text("SELECT pg_sleep(0.7)"))


@router.post("/task")
async def send(session: SessionDep, tasks: TaskQueueDep) -> None:
    """Sends a task that fails."""
    await tasks.enqueue(session, fail, NoPayload())


FEATURE = Feature(name="mishap", routers=(router,), extensions=(fail,))
'''


def lines_of(log: Path, event: str) -> list[dict[str, Any]]:
    """The lines of a JSON log with one event."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def eventually(look: Callable[[], list[Any]], count: int = 1) -> list[Any]:
    """What is found once there is as much of it as is waited for."""
    end = time.monotonic() + PATIENCE_SECONDS
    while len(found := look()) < count and time.monotonic() < end:
        time.sleep(0.05)
    assert len(found) == count, found
    return found


def test_mishaps_are_seen(render: Renderer, environments: Environments, postgres: str, tmp_path: Path) -> None:
    """Two processes that serve and one that works, on PostgreSQL and Redis."""
    project = environments.install(render.project(tmp_path / "project", preset="everything")).folder
    add_own_feature(project, "mishap", MISHAPS)
    port, web, work = free_port(), tmp_path / "web.log", tmp_path / "work.log"
    python = str(project / ".venv/bin/python")
    with new_database(postgres) as database, redis() as redis_url, sink() as reports:
        settings = {
            "DATABASE_URL": database,
            "REDIS_URL": redis_url,
            "LOG_FORMAT": "json",
            "WEB_CONCURRENCY": "2",
            "SECRET_KEY": "a secret key that no report may ever contain",
            "SENTRY_DSN": f"http://public@{reports.host}/42",
            "CELERY_HEARTBEAT_FOLDER": str(tmp_path),
        }
        outcome = run("uv run --no-sync alembic upgrade head", project, settings)
        assert outcome.ok, outcome
        serve = [python, "-m", "app.cli", "serve", "--host", "127.0.0.1", "--port", str(port)]
        worker = [python, "-m", "celery", "-A", "app.worker", "worker", "--concurrency", "1"]
        with (
            running(worker, project, work, **settings),
            running(serve, project, web, port, **settings),
            httpx2.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30) as client,
        ):
            headers = {"Authorization": "Bearer abcdefghijkl"}
            broken = client.post("mishaps/defect?key=query-secret", json={"password": PASSWORD}, headers=headers)
            slow = client.get("mishaps/slow")
            login = client.post("auth/token", data={"username": "nobody@example.com", "password": PASSWORD})
            sent = client.post("mishaps/task")
            answers = (broken, slow, login, sent)
            assert [it.status_code for it in answers] == [500, 200, 401, 200], [it.text for it in answers]
            requests = [it.headers["X-Request-ID"] for it in answers]
            failed = eventually(lambda: lines_of(work, "task failed"))
            events = eventually(reports.sentry_events, 2)

        assert [it["request_id"] for it in lines_of(web, "unhandled error")] == [requests[0]]
        assert [it["request_id"] for it in failed] == [requests[3]]
        assert {it["request_id"] for it in lines_of(web, "request")} >= set(requests)
        by_request = {event["tags"]["request_id"]: event for event in events}
        assert set(by_request) == {requests[0], requests[3]}
        assert by_request[requests[0]]["transaction"] == "/api/v1/mishaps/defect"
        assert by_request[requests[3]]["contexts"]["log"]["name"] == "mishap.fail"
        told = reports.text() + web.read_text() + work.read_text()
        for secret in (PASSWORD, "abcdefghijkl", "query-secret", "of-a-variable", settings["SECRET_KEY"]):
            assert secret not in told
