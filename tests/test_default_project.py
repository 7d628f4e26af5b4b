"""The project that most people start with: how well it tests itself, and whether it keeps its own API contract."""

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from harness.commands import Steps, run
from harness.environments import Environments
from harness.projects import Renderer
from harness.servers import new_database, served

pytestmark = pytest.mark.suite

PASSWORD = "correct horse battery"
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


@pytest.fixture
def project(render: Renderer, environments: Environments, tmp_path: Path) -> Steps:
    return environments.install(render.project(tmp_path / "project", preset="api"))


@pytest.fixture
def service(project: Steps, postgres: str) -> Iterator[str]:
    """Served on PostgreSQL, with one superuser."""
    with new_database(postgres) as url:
        extra = {"DATABASE_URL": url, "LOG_LEVEL": "warning"}
        assert run("uv run --no-sync alembic upgrade head", project.folder, extra).ok
        command = "uv run --no-sync python -m app.cli user create-superuser --email root1@example.com --username root1"
        outcome = run(command, project.folder, {**extra, "SUPERUSER_PASSWORD": PASSWORD})
        assert outcome.ok, outcome
        with served(project.folder, **extra) as base:
            yield base


def test_own_tests_cover_it(project: Steps) -> None:
    """Branches count, nothing is left out, and SQLite alone is enough."""
    outcome = run(
        "uv run --no-sync pytest -q -p no:cacheprovider --cov --cov-report=term --cov-fail-under=95",
        project.folder,
    )
    assert outcome.ok, outcome
    configuration = (project.folder / "pyproject.toml").read_text()
    assert "branch = true" in configuration
    assert "omit" not in configuration


class TestContract:
    """Schemathesis, with all its checks, against the running service."""

    def check(self, service: str, folder: Path, *arguments: str) -> None:
        outcome = run(
            [
                str(SCHEMATHESIS),
                "run",
                f"{service}/openapi.json",
                "--checks=all",
                "--max-examples=25",
                "--suppress-health-check=all",
                "--seed=1",
                "--no-color",
                *arguments,
            ],
            folder,
        )
        assert outcome.ok, outcome

    def test_for_strangers(self, service: str, tmp_path: Path) -> None:
        self.check(service, tmp_path)

    def test_for_a_superuser(self, service: str, tmp_path: Path) -> None:
        """Who would otherwise close the account that the run lives on."""
        answer = httpx2.post(f"{service}/api/v1/auth/token", data={"username": "root1", "password": PASSWORD})
        token = answer.json()["access_token"]
        self.check(
            service,
            tmp_path,
            f"--header=Authorization: Bearer {token}",
            "--exclude-operation-id=delete_own_account",
        )


def test_one_of_twenty_registrations_at_once(service: str) -> None:
    def register(number: int) -> int:
        body = {
            "name": "Ada",
            "username": f"ada{number}",
            "email": "ada@example.com",
            "password": PASSWORD,
        }
        return httpx2.post(f"{service}/api/v1/users", json=body, timeout=60).status_code

    with ThreadPoolExecutor(20) as threads:
        statuses = Counter(threads.map(register, range(20)))

    assert statuses == {201: 1, 409: 19}
