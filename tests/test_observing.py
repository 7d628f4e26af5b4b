"""What goes wrong in a running service is seen, wherever its owner looks, under the same request id."""

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness.commands import run
from harness.environments import Environments
from harness.projects import Renderer, add_own_feature
from harness.servers import free_port, new_database, redis, running
from harness.sinks import sink

pytestmark = pytest.mark.suite

PASSWORD = "correct horse battery"
BEARER = {"Authorization": "Bearer abcdefghijkl"}
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


@router.post("/slow")
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


def numbers(url: str) -> dict[tuple[str, ...], float]:
    """What is shown to Prometheus: values by the name and the sorted labels."""
    text = httpx2.get(url).raise_for_status().text
    samples = [it for family in text_string_to_metric_families(text) for it in family.samples]
    return {(it.name, *(f"{name}={value}" for name, value in sorted(it.labels.items()))): it.value for it in samples}


def requests_to(route: str, status: int, *, method: str) -> tuple[str, ...]:
    """The name of their number."""
    labels = (f"http_request_method={method}", f"http_response_status_code={status}", f"http_route=/api/v1/{route}")
    return ("http_server_request_duration_seconds_count", *labels)


def post_to(base: str, path: str, **sent: Any) -> httpx2.Response:
    return httpx2.post(base + path, timeout=30, **sent)


def test_mishaps_are_seen(render: Renderer, environments: Environments, postgres: str, tmp_path: Path) -> None:
    """Two processes that serve and one that works, on PostgreSQL and Redis."""
    project = environments.install(render.project(tmp_path / "project", preset="everything")).folder
    add_own_feature(project, "mishap", MISHAPS)
    port, worker_port, web, work = free_port(), free_port(), tmp_path / "web.log", tmp_path / "work.log"
    python = str(project / ".venv/bin/python")
    with new_database(postgres) as database, redis() as redis_url, sink() as reports:
        settings = {
            "DATABASE_URL": database,
            "REDIS_URL": redis_url,
            "LOG_FORMAT": "json",
            "WEB_CONCURRENCY": "2",
            "SECRET_KEY": "a secret key that no report may ever contain",
            "SENTRY_DSN": f"http://public@{reports.host}/42",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{reports.host}",
            "METRICS_WORKER_PORT": str(worker_port),
            "CELERY_HEARTBEAT_FOLDER": str(tmp_path),
        }
        outcome = run("uv run --no-sync alembic upgrade head", project, settings)
        assert outcome.ok, outcome
        # A connection for each, so that both processes have something to count.
        post = partial(post_to, f"http://127.0.0.1:{port}/api/v1/")
        serve = [python, "-m", "app.cli", "serve", "--host", "127.0.0.1", "--port", str(port)]
        worker = [python, "-m", "celery", "-A", "app.worker", "worker", "--concurrency", "1"]
        with running(worker, project, work, worker_port, **settings), running(serve, project, web, port, **settings):
            answers = [
                post("mishaps/defect?key=query-secret", json={"password": PASSWORD}, headers=BEARER),
                post("mishaps/slow"),
                post("auth/token", data={"username": "nobody@example.com", "password": PASSWORD}),
                post("mishaps/task"),
            ]
            assert [it.status_code for it in answers] == [500, 200, 401, 200], [it.text for it in answers]
            defect, slow, login, task = (it.headers["X-Request-ID"] for it in answers)
            many = [post("mishaps/defect", json={}) for _ in range(20)]
            assert {it.status_code for it in many} == {500}
            (failed,) = eventually(lambda: lines_of(work, "task failed"))
            events = eventually(lambda: about(reports.sentry_events(), defect, task), 2)
            # The other process shows what it has at the latest after a second.
            time.sleep(1.5)
            shown = [numbers(f"http://127.0.0.1:{port}/metrics") for _ in range(4)]
            worked = numbers(f"http://127.0.0.1:{worker_port}/metrics")

        for each in shown:
            assert each[requests_to("mishaps/defect", 500, method="POST")] == 21
            assert each[requests_to("auth/token", 401, method="POST")] == 1
            assert each["security_events_total", "event=login_failure", "reason="] == 1
        assert worked["task_duration_seconds_count", "outcome=failed", "task=mishap.fail"] == 1
        assert worked["task_wait_seconds_count", "task=mishap.fail"] == 1

        lines = [json.loads(line) for line in web.read_text().splitlines()]
        seen = {(line["event"], line["request_id"]): line for line in lines if "request_id" in line}
        assert ("unhandled error", defect) in seen
        assert seen["slow query", slow]["origin"][0].startswith("app/modules/mishap.py:")
        assert seen["security event", login]["name"] == "login_failure"
        assert failed["request_id"] == task

        by_request = {event["tags"]["request_id"]: event for event in events}
        assert by_request[defect]["transaction"] == "/api/v1/mishaps/defect"
        assert by_request[task]["contexts"]["log"]["name"] == "mishap.fail"

        spans = {span.name: span for span in reports.spans() if span.trace_id.hex() == failed["trace_id"]}
        assert {"POST /api/v1/mishaps/task", "task mishap.fail"} <= spans.keys()
        assert any(name.startswith("INSERT") for name in spans)
        assert seen["request", task]["trace_id"] == failed["trace_id"]

        told = reports.text() + web.read_text() + work.read_text()
        for secret in (PASSWORD, "abcdefghijkl", "query-secret", "of-a-variable", settings["SECRET_KEY"]):
            assert secret not in told


def about(events: list[dict[str, Any]], *requests: str) -> list[dict[str, Any]]:
    """The events of these requests."""
    return [event for event in events if event["tags"]["request_id"] in requests]
