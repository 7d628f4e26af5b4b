"""The dashboards and rules of a rendered project, asked of a Prometheus that reads the running service."""

import json
import math
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import yaml

from harness.commands import run
from harness.environments import Environments
from harness.faults import LIMITS_OFF
from harness.projects import Renderer, add_own_feature
from harness.servers import free_port, missing, new_database, redis, running

pytestmark = pytest.mark.suite

PATIENCE_SECONDS = 120
PAUSE_MILLISECONDS = 8000
# Through the outbox nothing is lost that could be shown.
ANSWERS = {"preset": "everything", "outbox": False}

PASSWORD = "correct horse battery"
PREPARATIONS = (
    "alembic upgrade head",
    "python -m app.cli user create-superuser --email a@example.com --username ada",
)

# As an owner writes it: something that goes well and fails, in every way that is counted.
BELLS = '''\
"""Bells, most of them cracked."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Request

from app.core.feature import Feature, State
from app.infrastructure.celery.queue import TaskQueueDep
from app.infrastructure.celery.tasks import NoPayload, TaskContext, task
from app.infrastructure.database.session import SessionDep
from app.infrastructure.events.bus import EventBusDep
from app.infrastructure.events.event import Event
from app.infrastructure.events.handlers import EventContext, handles, handles_public
from app.infrastructure.http_client.clients import http_clients_of

router = APIRouter(prefix="/bells", tags=["bells"])


class BellRung(Event):
    event_name = "bell.rung"
    is_public = True


@task("bell.swing", NoPayload)
async def swing(*_: object) -> None:
    """Nothing to do."""


@task("bell.crack", NoPayload)
async def crack(*_: object) -> None:
    raise RuntimeError


@handles(BellRung)
async def hear(context: EventContext, event: BellRung) -> None:
    """Nothing to do."""


@handles(BellRung)
async def miss(context: EventContext, event: BellRung) -> None:
    raise RuntimeError


@handles_public("bell.rung", BellRung)
async def report(context: EventContext, event: BellRung) -> None:
    raise RuntimeError


@router.post("")
async def ring(session: SessionDep, tasks: TaskQueueDep, events: EventBusDep) -> None:
    """Sends an event and tasks."""
    await events.publish(session, BellRung())
    for each in (swing, crack):
        await tasks.enqueue(session, each, NoPayload())


@router.get("/echo")
async def ask(request: Request) -> None:
    """Nobody answers."""
    await request.state.echo.get("", model=dict[str, str])


@asynccontextmanager
async def lifespan(state: State) -> AsyncGenerator[State]:
    yield {"echo": http_clients_of(state).upstream("echo", "http://127.0.0.1:9")}


FEATURE = Feature(
    name="bells",
    routers=(router,),
    lifespan=lifespan,
    extensions=(swing, crack, hear, miss, report),
)
'''


class Prometheus:
    """What its API answers."""

    def __init__(self, client: httpx2.Client) -> None:
        self.client = client

    def data(self, path: str, **query: str) -> Any:
        return self.client.get(path, params=query).raise_for_status().json()["data"]

    def has_data(self, expression: str) -> bool:
        values = [float(series["value"][1]) for series in self.data("query", query=expression)["result"]]
        return any(math.isfinite(value) for value in values)


@contextmanager
def prometheus(project: Path, folder: Path, ports: dict[str, int]) -> Iterator[Prometheus]:
    """With the project's jobs and rules, the jobs on these ports, each second."""
    program = shutil.which("prometheus")
    if program is None:
        missing("Prometheus is needed: install it (Debian: apt-get install prometheus)")
    configuration = yaml.safe_load((project / "monitoring" / "prometheus.yml").read_text())
    del configuration["alerting"]
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["rule_files"] = [str(project / "monitoring" / name) for name in configuration["rule_files"]]
    assert {job["job_name"] for job in configuration["scrape_configs"]} == ports.keys()
    for job in configuration["scrape_configs"]:
        del job["dns_sd_configs"]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{ports[job['job_name']]}"]}]
    path, port = folder / "prometheus.yml", free_port()
    path.write_text(yaml.safe_dump(configuration))
    command = [
        str(program),
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (
        running(command, folder, folder / "prometheus.log", port),
        httpx2.Client(base_url=f"http://127.0.0.1:{port}/api/v1/", timeout=10, trust_env=False) as client,
    ):
        yield Prometheus(client)


def expressions(project: Path) -> set[str]:
    """Of all panels, as Grafana would ask them."""
    (service,) = {
        rule["replacement"]
        for job in yaml.safe_load((project / "monitoring/prometheus.yml").read_text())["scrape_configs"]
        for rule in job["relabel_configs"]
    }
    return {
        target["expr"].replace("$service", service).replace("$__rate_interval", "30s")
        for path in project.glob("monitoring/*/dashboard.json")
        for panel in json.loads(path.read_text())["panels"]
        for target in panel["targets"]
    }


def pause(redis_url: str) -> None:
    """Let Redis keep everybody waiting."""
    where = urlsplit(redis_url)
    with socket.create_connection((where.hostname, where.port), 5) as connection:
        connection.sendall(f"CLIENT PAUSE {PAUSE_MILLISECONDS}\r\n".encode())
        assert connection.recv(100) == b"+OK\r\n"


def make_something_happen(base: str) -> None:
    """Whatever becomes of it."""
    with httpx2.Client(base_url=f"{base}/api/v1/", timeout=30, trust_env=False) as client:
        client.post("bells")
        client.post("auth/token", data={"username": "nobody", "password": PASSWORD})
        login = client.post("auth/token", data={"username": "ada", "password": PASSWORD}).json()
        for _ in range(2):
            client.get("books", headers={"Authorization": f"Bearer {login.get('access_token')}"})
            client.get("bells/echo")


def test_every_panel_shows_something(
    render: Renderer, environments: Environments, postgres: str, tmp_path: Path
) -> None:
    """Two processes that serve, a worker and a consumer, on PostgreSQL and Redis."""
    project = environments.install(render.project(tmp_path / "project", **ANSWERS)).folder
    add_own_feature(project, "bells", BELLS)
    ports = {name: free_port() for name in ("service", "worker", "consumer")}
    python = str(project / ".venv/bin/python")
    commands = {
        "service": ["-m", "app.cli", "serve", "--port", str(ports["service"])],
        "worker": ["-m", "celery", "-A", "app.worker", "worker", "--concurrency", "1"],
        "consumer": ["-m", "app.cli", "events", "consume"],
    }
    with ExitStack() as stack:
        redis_url = stack.enter_context(redis())
        settings = {
            "DATABASE_URL": stack.enter_context(new_database(postgres)),
            "REDIS_URL": redis_url,
            "WEB_CONCURRENCY": "2",
            "SECRET_KEY": "a key for this test alone, of some length",
            "CELERY_HEARTBEAT_FOLDER": str(tmp_path),
            "EVENTS_HEARTBEAT_FOLDER": str(tmp_path),
            "EVENTS_MAX_DELIVERIES": "1",
            **LIMITS_OFF,
        }
        for preparation in PREPARATIONS:
            outcome = run(f"uv run --no-sync {preparation}", project, settings | {"SUPERUSER_PASSWORD": PASSWORD})
            assert outcome.ok, outcome
        for name, arguments in commands.items():
            own = settings | {"METRICS_WORKER_PORT": str(ports[name])}
            stack.enter_context(running([python, *arguments], project, tmp_path / f"{name}.log", ports[name], **own))
        observer = stack.enter_context(prometheus(project, tmp_path, ports))
        base = f"http://127.0.0.1:{ports['service']}"

        make_something_happen(base)
        pause(redis_url)
        unseen, end = expressions(project), time.monotonic() + PATIENCE_SECONDS
        while unseen and time.monotonic() < end:
            with suppress(httpx2.TimeoutException):
                make_something_happen(base)
            unseen = {it for it in unseen if not observer.has_data(it)}
        assert not unseen, sorted(unseen)

        targets = observer.data("targets")["activeTargets"]
        assert {target["labels"]["job"]: target["health"] for target in targets} == dict.fromkeys(ports, "up")
        rules = [rule for group in observer.data("rules")["groups"] for rule in group["rules"]]
        assert {rule["health"] for rule in rules} == {"ok"}
        firing = {alert["labels"]["alertname"] for alert in observer.data("alerts")["alerts"]}
        assert {"TasksGivenUp", "TasksLost", "EventsGivenUp", "EventsLost"} <= firing
