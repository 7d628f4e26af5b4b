"""docs/errors.md shows what is really printed."""

import json
import socket
from pathlib import Path

import httpx2
import pytest

from harness import ROOT
from harness.commands import Steps, run
from harness.environments import Environments
from harness.projects import Renderer
from harness.servers import served

pytestmark = pytest.mark.suite

PAGE = (ROOT / "docs" / "errors.md").read_text()
COMMAND = "uv run --no-sync python -m app.cli settings"
UNREACHABLE = "postgresql://app:hunter2@127.0.0.1:1/app"


@pytest.fixture
def project(render: Renderer, environments: Environments, tmp_path: Path) -> Steps:
    return environments.install(render.project(tmp_path / "project", preset="api"))


def printed(project: Steps, command: str, **extra: str) -> str:
    """What a command that is refused prints. None of it is a secret."""
    outcome = run(command, project.folder, extra)
    assert outcome.status == 1, outcome
    assert "hunter2" not in outcome.output
    assert "Traceback" not in outcome.output
    return outcome.output.strip()


@pytest.mark.parametrize(
    "variables",
    [
        {"ENVIRONMENT": "production"},
        {
            "ENVIRONMENT": "production",
            "DATABASE_URL": UNREACHABLE,
            "SECRET_KEY": "x" * 32,
            "CORS_ORIGINS": "*",
            "CORS_ALLOW_CREDENTIALS": "true",
            "DOCS_ENABLED": "true",
        },
        {"SECRET_KEY": "hunter2"},
        {"DATABSE_URL": UNREACHABLE},
        {"LOG_LEVEL": "hunter2"},
        {"DATABASE_URL": "mysql://app:hunter2@localhost/app"},
    ],
    ids="-".join,
)
def test_configuration(project: Steps, variables: dict[str, str]) -> None:
    for command in (
        COMMAND,
        "uv run --no-sync uvicorn app.main:app",
        "uv run --no-sync alembic check",
    ):
        text = printed(project, command, **variables)
        assert text.startswith("The configuration is not valid:\n")
        assert text in PAGE


def test_port_in_use(project: Steps) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = printed(project, f"uv run --no-sync python -m app.cli serve --port {port}")
    assert text.replace(str(port), "8000") in PAGE


def test_database_out_of_reach(project: Steps) -> None:
    with served(project.folder, DATABASE_URL=UNREACHABLE) as base:
        problem = httpx2.get(f"{base}/health/ready").json()
        assert httpx2.get(f"{base}/health/live").status_code == 200
        answer = httpx2.post(f"{base}/api/v1/auth/token", data={"username": "ada", "password": "hunter2"})
    assert answer.status_code == 503
    del problem["request_id"]
    assert json.dumps(problem) in PAGE
    text = printed(project, "uv run --no-sync alembic check", DATABASE_URL=UNREACHABLE)
    assert text in PAGE
    assert text == printed(project, "uv run --no-sync python -m app.cli db connections", DATABASE_URL=UNREACHABLE)


def test_schema_behind(project: Steps) -> None:
    extra = {"ENVIRONMENT": "test", "DATABASE_URL": "sqlite:///new.db"}
    with served(project.folder, **extra) as base:
        problem = httpx2.get(f"{base}/health/ready").json()
    del problem["request_id"]
    assert json.dumps(problem) in PAGE
    outcome = run("uv run --no-sync alembic revision --autogenerate -m x", project.folder, extra)
    assert not outcome.ok
    assert outcome.output.strip().splitlines()[-1] in PAGE
