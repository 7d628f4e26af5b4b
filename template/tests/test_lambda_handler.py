"""The entry point reads the real environment and lives as long as its process: it gets its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.infrastructure.aws_lambda.events import request

TESTS = Path(__file__).parent
ROOT = TESTS.parent

# What belongs to other processes; `tests/test_start.py` has what requests may need later.
NOT_IMPORTED = ("typer", "uvicorn", "uvloop", "websockets")

# Libraries that a feature leaves to requests, and the variables with which it would need them.
_WORDS = {
    word for path in TESTS.rglob("imported_by_requests.txt") for word in path.read_text().split()
}
VARIABLES = dict(word.split("=", 1) for word in _WORDS if "=" in word)
LIBRARIES = {word for word in _WORDS if "=" not in word}

_PROGRAM = """
import json, sys
from types import SimpleNamespace
from app.lambda_handler import app, handler
modules = sorted(sys.modules)
routers = [str(it) for it in app.state.late_routers if it.routes]
context = SimpleNamespace(aws_request_id="8f507cfc-xmpl-4697-b07a-ac58fc914c95")
answers = [handler(event, context) for event in json.load(sys.stdin)]
print(json.dumps({"answers": answers, "modules": modules, "routers": routers}))
"""


def run(
    folder: Path, *events: dict[str, Any], **variables: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 (our own)
        [sys.executable, "-c", _PROGRAM],
        input=json.dumps(events),
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "ENVIRONMENT": "test",
            **VARIABLES,
            **variables,
        },
    )


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One process for all of them: it takes longer to start than all the rest."""
    events = request("GET", "/health/live"), request("GET", "/no/such/path")
    done = run(tmp_path_factory.mktemp("lambda"), *events)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


class TestHandler:
    def test_answers_requests(self, result: dict[str, Any]) -> None:
        live, missing = result["answers"]

        assert live["statusCode"] == 200
        assert live["headers"]["x-request-id"] == "8f507cfc-xmpl-4697-b07a-ac58fc914c95"
        assert "strict-transport-security" in live["headers"]
        assert missing["statusCode"] == 404
        assert missing["headers"]["content-type"] == "application/problem+json"

    def test_imports_nothing_that_requests_do_without(self, result: dict[str, Any]) -> None:
        assert [name for name in NOT_IMPORTED if name in result["modules"]] == []

    @pytest.mark.skipif(
        (ROOT.parent / "copier.yml").exists(),
        reason="the template in place has more than a function can have",
    )
    def test_leaves_to_requests_what_they_need(self, result: dict[str, Any]) -> None:
        assert LIBRARIES & {*result["modules"]} == set()

    def test_builds_routes_for_requests_alone(self, result: dict[str, Any]) -> None:
        assert result["routers"] == []

    def test_ends_the_process_with_what_is_wrong(self, tmp_path: Path) -> None:
        done = run(tmp_path, LOG_LEVEL="loud")

        assert done.returncode == 1
        assert "LOG_LEVEL: Input should be" in done.stderr
