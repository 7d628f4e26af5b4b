"""A project runs as on Heroku: its Procfile under honcho, with the environment that app.json and the add-ons give."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psycopg
import pytest
import trustme
import yaml
from honcho.environ import parse_procfile  # type: ignore[import-untyped]

from artefacts import cloud, digitalocean, heroku
from harness.commands import environment, run
from harness.environments import Environments
from harness.platforms import REQUIRED
from harness.projects import Renderer
from harness.servers import cluster, free_port, redis_over_tls

pytestmark = pytest.mark.deploy

PATIENCE_SECONDS = 90
SIGTERM_EXIT = 128 + 15  # honcho's own
# What is asked of whoever deploys.
ASKED = {
    "EMAIL_LINK_URL": "https://app.example.com",
    "EMAIL_SENDER": "shop@example.com",
    "EMAIL_SMTP_HOST": "mail.invalid",
    "EMAIL_SMTP_PASSWORD": "a-password",
    "EMAIL_SMTP_USERNAME": "shop",
    "STORAGE_ACCESS_KEY_ID": "a-key",
    "STORAGE_BUCKET": "a-bucket",
    "STORAGE_SECRET_ACCESS_KEY": "a-secret",
}
# So that a test sees beat, and honcho, which kills after five seconds, does not.
HURRY = {"DATABASE_PURGE_INTERVAL_SECONDS": "1", "SERVE_DRAIN_SECONDS": "0.5"}


@dataclass(frozen=True)
class App:
    """A project, and the variables with which Heroku runs it."""

    project: Path
    variables: Mapping[str, str]
    database: str

    def run(self, command: str, **extra: str) -> str:
        """What a one-off dyno says; raises `RuntimeError` where it fails."""
        outcome = run(["bash", "-c", command], self.project, {**self.variables, **extra})
        if not outcome.ok:
            raise RuntimeError(str(outcome))
        return outcome.output


def variables(project: Path, addons: Mapping[str, str]) -> dict[str, str]:
    """Those of app.json, whose format is Heroku's, and what add-ons set."""
    found = {}
    for name, entry in json.loads((project / "app.json").read_text())["env"].items():
        if "value" in entry:
            found[name] = entry["value"]
        elif entry.get("generator") == "secret":
            found[name] = secrets.token_hex(32)
        elif entry.get("required", True):
            found[name] = ASKED[name]
    path = f"{project / '.venv/bin'}:{os.environ['PATH']}"
    return {**found, **addons, **HURRY, "PATH": path, "LOG_FORMAT": "json"}


@pytest.fixture(scope="module")
def app(render: Renderer, environments: Environments, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    project = render.project(tmp_path_factory.mktemp("heroku") / "project", preset="saas", heroku=True, files=False)
    environments.install(project)
    authority = trustme.CA()
    with cluster() as database, redis_over_tls(authority) as redis:
        database.speak_tls(authority)
        url = database.url.replace("postgresql://", "postgres://")
        addons = {"DATABASE_URL": f"{url}?sslmode=require", "REDIS_URL": redis, "REDIS_TLS_URL": redis}
        yield App(project, variables(project, addons), database.url)


@pytest.fixture(scope="module")
def processes(app: App) -> dict[str, str]:
    return dict(parse_procfile((app.project / "Procfile").read_text()).processes)


def until(condition: Callable[[], bool], formation: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert formation.poll() is None, log.read_text()[-6000:]
        assert time.monotonic() < end, log.read_text()[-6000:]
        time.sleep(0.1)


def answers(port: int, path: str) -> int | None:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}{path}", timeout=10, trust_env=False).status_code
    except httpx2.TransportError:
        return None


class TestRelease:
    def test_that_fails_starts_nothing(self, app: App, processes: Mapping[str, str]) -> None:
        """Heroku leaves the old version alone where the release phase does not end with 0."""
        nowhere = f"postgres://app:secret-word@127.0.0.1:{free_port()}/app"

        with pytest.raises(RuntimeError) as failure:
            app.run(processes["release"], DATABASE_URL=nowhere)

        assert "secret-word" not in str(failure.value)

    def test_comes_first_and_then_all_work_together(
        self, app: App, processes: Mapping[str, str], tmp_path: Path
    ) -> None:
        port, log = free_port(), tmp_path / "log"
        app.run(processes["release"])
        started = [name for name in processes if name != "release"]
        command = [str(Path(sys.executable).parent / "honcho"), "start", *started]
        with log.open("w") as output:
            formation = subprocess.Popen(
                command,
                cwd=app.project,
                env=environment(**app.variables, PORT=str(port)),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            until(lambda: answers(port, "/health/ready") == 200, formation, log)
            until(lambda: '"scheduled"' in log.read_text(), formation, log)
            until(lambda: bool(re.search(r'worker\.1 .*"outcome": "done"', log.read_text())), formation, log)
            ready = httpx2.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False)
            with psycopg.connect(app.database) as connection:
                encrypted = connection.execute(
                    "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
                    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                ).fetchone()
        finally:
            formation.send_signal(signal.SIGTERM)
            status = formation.wait(PATIENCE_SECONDS)
        text = log.read_text()

        assert ready.json() == {"status": "ok", "failing": {}}
        assert encrypted == (True,)
        stopped = dict(re.findall(r"(\w+)\.1 stopped \(rc=(-?\d+)\)", text))
        assert stopped == dict.fromkeys(started, "0"), text[-4000:]
        assert status == SIGTERM_EXIT
        assert "Traceback" not in text


def test_production_refuses_what_is_missing(render: Renderer, environments: Environments, tmp_path: Path) -> None:
    """The list by which all platforms' files are checked is complete, and nothing is on it that is not needed."""
    project = render.project(tmp_path / "project", preset="everything", broker="rabbitmq")
    environments.install(project)
    outcome = run(".venv/bin/python -m app.cli settings", project, {"ENVIRONMENT": "production"})

    assert outcome.status == 1
    assert {*re.findall(r"^  ([A-Z_]+) must", outcome.output, re.MULTILINE)} == REQUIRED


# X-Forwarded-For as each platform hands it on, of a client at 203.0.113.7 that has written 198.51.100.1 itself; and
# from where.
HANDED_ON = {
    "heroku": ("198.51.100.1, 203.0.113.7", "10.1.45.23"),
    "digitalocean": ("198.51.100.1,203.0.113.7,172.70.1.2", "10.244.3.4"),
    "cloud_run": ("198.51.100.1, 203.0.113.7", "169.254.169.126"),
    "fly": ("198.51.100.1, 203.0.113.7, 66.241.125.9", "172.16.3.4"),
    "render": ("198.51.100.1, 203.0.113.7, 104.22.17.40", "10.21.157.68"),
}
MIDDLEWARE = """
import asyncio, sys
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

async def app(scope, receive, send):
    print(scope["client"][0], scope["scheme"])

trusted, forwarded, peer = sys.argv[1:]
headers = [(b"x-forwarded-for", forwarded.encode()), (b"x-forwarded-proto", b"https")]
scope = {"type": "http", "scheme": "http", "client": (peer, 1), "headers": headers}
asyncio.run(ProxyHeadersMiddleware(app, trusted)(scope, None, None))
"""


@pytest.mark.parametrize("name", HANDED_ON)
def test_clients_cannot_write_their_address(name: str, app: App, render: Renderer, tmp_path: Path) -> None:
    choice = {"cloud": name} if name in {"cloud_run", "fly", "render"} else {name: True}
    project = render(preset="minimal", docker=True, **choice)
    trusted = {
        "heroku": lambda: heroku.platform(project).variables,
        "digitalocean": lambda: digitalocean.platform(project).variables,
        "cloud_run": lambda: cloud.cloud_run(cloud.applied(project, tmp_path)).variables,
        "fly": lambda: cloud.fly(project).variables,
        "render": lambda: cloud.render(project).variables,
    }[name]()["FORWARDED_ALLOW_IPS"]
    assert trusted
    python = str(app.project / ".venv/bin/python")

    assert run([python, "-c", MIDDLEWARE, trusted, *HANDED_ON[name]], tmp_path).output == "203.0.113.7 https\n"
    # As it would be.
    assert run([python, "-c", MIDDLEWARE, "*", *HANDED_ON[name]], tmp_path).output == "198.51.100.1 https\n"


def test_page_sets_what_app_json_says(render: Renderer, tmp_path: Path) -> None:
    """The commands that stand in for Heroku's button, with a heroku that takes notes."""
    project = render(preset="saas", heroku=True)
    program = tmp_path / "heroku"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {tmp_path}/calls\n')
    program.chmod(0o755)
    page = (project / "docs/deploy/heroku.md").read_text()
    lines = [line for line in page.partition("```sh\n")[2].partition("```")[0].splitlines() if "jq" in line]
    assert len(lines) == 4
    outcome = run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
        project,
        {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    assert outcome.ok, outcome
    calls = (tmp_path / "calls").read_text().splitlines()
    described = json.loads((project / "app.json").read_text())

    assert calls[:2] == [f"addons:create {addon['plan']}" for addon in described["addons"]]
    assert calls[2] == "config:set " + " ".join(
        f"{name}={entry['value']}" for name, entry in described["env"].items() if "value" in entry
    )
    assert {*outcome.output.split()} == {name for name in ASKED if name in described["env"]} | {"STORAGE_ENDPOINT"}
    assert sorted(calls[3].split()[1:]) == ["beat=1:standard-1x", "web=1:standard-1x", "worker=1:standard-1x"]


def test_health_is_asked_where_it_is_answered(render: Renderer, app: App) -> None:
    """Every path that a platform asks is one of the service's."""
    routes = app.run("python -m app.cli routes")
    project = render(preset="saas", digitalocean=True, cloud="render")
    (web,) = yaml.safe_load((project / ".do/app.yaml").read_text())["services"]
    asked = {web["health_check"]["http_path"], web["liveness_health_check"]["http_path"]}

    assert asked == {"/health/ready", "/health/live"}
    assert all(re.search(rf"GET +{path}\b", routes) for path in asked)
