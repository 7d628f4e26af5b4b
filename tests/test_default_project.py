"""The project that most people start with: how well it tests itself, and whether it keeps its own API contract."""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from harness.commands import Steps, run
from harness.environments import Environments
from harness.projects import Renderer
from harness.servers import new_database, served

pytestmark = pytest.mark.suite

PASSWORD = "correct horse battery"
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


# The tools of attackers and of testers know no patience: what is throttled is not what is tested here.
UNTHROTTLED = {
    "AUTH_FAILURES_PER_ACCOUNT": "100",
    "AUTH_FAILURES_PER_ADDRESS": "1000000",
    "AUTH_REGISTRATIONS_PER_ADDRESS": "1000000",
    "RATE_LIMIT_DEFAULT": "999999/minute",
    "RATE_LIMIT_ANONYMOUS": "999999/minute",
    # A stream that goes on for an hour is no answer they could check.
    "NOTICE_STREAM_LIFETIME_SECONDS": "0.1",
    "WEBHOOK_OUTGOING_PER_HOUR": "1000000",
}
SECRET_KEY = "a secret key that no answer may ever contain"


@pytest.fixture
def project(request: pytest.FixtureRequest, render: Renderer, environments: Environments, tmp_path: Path) -> Steps:
    """The default one, unless the test names another preset."""
    preset = getattr(request, "param", "api")
    return environments.install(render.project(tmp_path / "project", preset=preset))


@pytest.fixture
def service(project: Steps, postgres: str) -> Iterator[str]:
    """Served on PostgreSQL, with one superuser."""
    with new_database(postgres) as url:
        extra = {"DATABASE_URL": url, "LOG_LEVEL": "warning", "SECRET_KEY": SECRET_KEY, **UNTHROTTLED}
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


@pytest.mark.parametrize("project", ["everything"], indirect=True)
class TestContract:
    """Schemathesis, with all its checks, against the running service with every feature."""

    # What would end the login that the run lives on.
    SPARED = ("close_own_account", "log_out", "log_out_everywhere", "revoke_own_session")

    def check(self, service: str, folder: Path, *arguments: str) -> Path:
        """Where every request and its answer are."""
        report = folder / "answers.har"
        outcome = run(
            [
                str(SCHEMATHESIS),
                f"--config-file={CONFIGURATION}",
                "run",
                f"{service}/openapi.json",
                "--checks=all",
                "--max-examples=15",
                "--suppress-health-check=all",
                # An invented key or cookie beside the right token is refused, rightly, and nothing else is seen.
                "--generation-with-security-parameters=false",
                "--seed=1",
                "--no-color",
                "--report=har",
                "--output-sanitize=false",
                f"--report-har-path={report}",
                *(f"--exclude-operation-id={name}" for name in self.SPARED),
                *arguments,
            ],
            folder,
        )
        failures = outcome.output.partition("= FAILURES =")[2]
        assert outcome.ok, failures or outcome
        assert secrets_in(report) == []
        return report

    def test_for_strangers(self, service: str, tmp_path: Path) -> None:
        self.check(service, tmp_path)

    @pytest.mark.parametrize(("name", "reached"), [("ada1", 25), ("root1", 40)])
    def test_for_a_user_and_a_superuser(self, service: str, tmp_path: Path, name: str, reached: int) -> None:
        """Each gets past the guards of so many routes."""
        if name != "root1":
            body = {"name": "Ada", "username": name, "email": f"{name}@example.com", "password": PASSWORD}
            assert httpx2.post(f"{service}/api/v1/users", json=body).status_code == 201
        answer = httpx2.post(f"{service}/api/v1/auth/token", data={"username": name, "password": PASSWORD})
        report = self.check(service, tmp_path, f"--header=Authorization: Bearer {answer.json()['access_token']}")
        assert len(succeeded(report)) >= reached


def succeeded(report: Path) -> set[tuple[str, str]]:
    """The methods and paths, with ids taken out, that were answered with success."""
    return {
        (entry["request"]["method"], re.sub(r"[0-9a-f-]{36}", "{id}", urlsplit(entry["request"]["url"]).path))
        for entry in json.loads(report.read_text())["log"]["entries"]
        if 200 <= entry["response"]["status"] < 300
    }


def secrets_in(report: Path) -> list[str]:
    """The answers that contain what never leaves the service."""
    entries = json.loads(report.read_text())["log"]["entries"]
    assert len(entries) > 100
    found = []
    for entry in entries:
        text = json.dumps(entry["response"])
        found += [
            f"{entry['request']['method']} {entry['request']['url']}: {secret}"
            for secret in (SECRET_KEY, "$argon2", "token_hash", "Traceback")
            if secret in text
        ]
    return found


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
