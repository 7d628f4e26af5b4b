"""The load tests, against a service that is started for real."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path

import pytest
from fastapi import FastAPI

from load.limits import failures, refusal
from tests.servers import free_port, missing, until_open

ROOT = Path(__file__).parents[1]
TIMEOUT_SECONDS = 120


class TestRefusal:
    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1:8000",
            "http://localhost:8000",
            "http://[::1]:8000",
            "https://LOCALHOST",
        ],
    )
    def test_lets_this_machine_be_put_under_load(self, url: str) -> None:
        assert refusal(url, "") is None

    @pytest.mark.parametrize("url", ["https://api.example.com", "http://10.0.0.7", "http://app:80"])
    def test_is_for_every_other_one(self, url: str) -> None:
        why = refusal(url, "other.example.com")

        assert why is not None
        assert "is not this machine" in why

    def test_ends_where_the_host_is_named_twice(self) -> None:
        assert refusal("https://staging.example.com/", "Staging.example.com") is None
        assert refusal("https://staging.example.com.evil.example", "staging.example.com")

    @pytest.mark.parametrize("url", [None, "", "127.0.0.1:8000"])
    def test_asks_for_a_host(self, url: str | None) -> None:
        assert refusal(url, "") == "Name the service to put load on: --host http://127.0.0.1:8000"


class TestFailures:
    @pytest.mark.parametrize(
        ("requests", "failure_ratio", "p95_ms", "expected"),
        [
            (100, 0.01, 1000, []),
            (0, 0, 0, ["no request was answered"]),
            (100, 0.02, 1000, ["2.0 % of the requests failed, more than 1.0 %"]),
            (100, 0, 1001, ["a twentieth of the requests took more than 1001 ms, not 1000 ms"]),
        ],
    )
    def test_are_counted_against_the_bounds(
        self, requests: int, failure_ratio: float, p95_ms: float, expected: list[str]
    ) -> None:
        found = failures(
            requests=requests,
            failure_ratio=failure_ratio,
            p95_ms=p95_ms,
            max_failure_ratio=0.01,
            max_p95_ms=1000,
        )
        assert list(found) == expected


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of a service that runs as in development, with what it keeps in a new folder."""
    if find_spec("locust") is None:
        missing("The load tests need locust: run `uv sync`")
    port = free_port()
    process = subprocess.Popen(  # noqa: S603 (our own)
        [sys.executable, "-m", "app.cli", "serve", "--port", str(port)],
        cwd=tmp_path_factory.mktemp("served"),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LOG_LEVEL": "error"},
    )
    until_open(process, port)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 (our own)
        [sys.executable, *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


class TestScenarios:
    def test_do_what_the_service_offers(self, url: str, app: FastAPI) -> None:
        """By the names of the routes, or each id would have a line of its own."""
        done = run("-m", "tests.load_each_task", url)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        known = {
            f"{method.upper()} {path}"
            for path, operations in app.openapi()["paths"].items()
            for method in operations
        }

        assert found["failures"] == []
        assert "GET /health/ready" in found["routes"]
        below_the_api = {it for it in found["routes"] if re.search(r" /(api|health)/", it)}
        assert below_the_api <= known


class TestRun:
    def test_is_bounded_and_judged(self, url: str, tmp_path: Path) -> None:
        bounds = ("-t", "2s", "-u", "2", "-r", "2", "--max-p95-ms", "60000")
        done = run("-m", "locust", "--host", url, *bounds, "--json-file", str(tmp_path / "report"))

        assert done.returncode == 0, done.stderr
        entries = json.loads((tmp_path / "report.json").read_text())
        assert sum(entry["num_requests"] for entry in entries) > 0
        assert sum(entry["num_failures"] for entry in entries) == 0

    def test_that_is_too_slow_has_failed(self, url: str) -> None:
        bounds = ("-t", "1s", "-u", "2", "-r", "2", "--max-p95-ms", "0")
        done = run("-m", "locust", "--host", url, *bounds)

        assert done.returncode == 1
        assert "FAILED: a twentieth of the requests took more than" in done.stderr

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            ((), "Name the service to put load on: --host http://127.0.0.1:8000"),
            (
                ("--host", "https://api.example.com"),
                (
                    "api.example.com is not this machine. If load may be put on it, name it once "
                    "more: --allow-host api.example.com"
                ),
            ),
        ],
    )
    @pytest.mark.usefixtures("url")
    def test_of_another_host_does_not_begin(self, arguments: tuple[str, ...], problem: str) -> None:
        done = run("-m", "locust", *arguments)

        assert done.returncode == 1
        assert problem in done.stderr
