"""An account of AWS for a project that is deployed as functions: moto with moto_lambda.py, and the real CLIs."""

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.aws import HARNESS, account, tools, warm_cli
from harness.aws_lambda_package import runtime
from harness.commands import Outcome, run
from harness.servers import free_port, running

FOLDER = "deploy/aws_lambda"
FUNCTION = "my-service-staging-service"
# Waits as long as it is told to, and then until somebody has looked.
SLEEP = """\
#!/bin/sh
{sleep} "$1"
while [ ! -e {gate} ]; do {sleep} 0.05; done
"""


@dataclass
class Account:
    """With what a project's scripts find on their way."""

    project: Path
    folder: Path
    variables: Mapping[str, str]

    def script(self, line: str, **extra: str) -> Outcome:
        """Run one of the project's scripts."""
        return run(f"{FOLDER}/{line}", self.project, {**self.variables, **extra})

    def aws(self, line: str) -> Any:
        """Ask the AWS CLI."""
        outcome = run(f"aws {line} --output json", self.project, self.variables)
        assert outcome.ok, outcome
        return json.loads(outcome.output) if outcome.output else None

    def alias(self) -> tuple[str, dict[str, float]]:
        """What `live` points to, and the versions that have a part of it."""
        found = self.aws(f"lambda get-alias --function-name {FUNCTION} --name live")
        return found["FunctionVersion"], (found.get("RoutingConfig") or {}).get("AdditionalVersionWeights", {})

    @cached_property
    def target(self) -> str:
        """What the gateway hands every request to; the same in all deployments."""
        (gateway,) = self.aws("apigatewayv2 get-apis")["Items"]
        (route,) = self.aws(f"apigatewayv2 get-routes --api-id {gateway['ApiId']}")["Items"]
        (integration,) = self.aws(f"apigatewayv2 get-integrations --api-id {gateway['ApiId']}")["Items"]
        assert (route["RouteKey"], route["Target"]) == ("$default", f"integrations/{integration['IntegrationId']}")
        return str(integration["IntegrationUri"])

    def served(self) -> tuple[str, str]:
        """The version that answers a request, and what it calls itself."""
        event = json.loads((self.project / FOLDER / "ready.json").read_text())
        event["rawPath"] = event["requestContext"]["http"]["path"] = "/health/live"
        given, answer = self.folder / "event.json", self.folder / "answer.json"
        given.write_text(json.dumps(event))
        said = self.aws(f"lambda invoke --function-name {self.target} --payload fileb://{given} {answer}")
        found = json.loads(answer.read_text())
        assert found["statusCode"] == 200, found
        return said["ExecutedVersion"], json.loads(found["body"])["release"]

    @contextmanager
    def trying_out(self, line: str, **extra: str) -> Iterator["Future[Outcome]"]:
        """While a new version gets a tenth; the script goes on afterwards, and its outcome is there."""
        gate = self.folder / "gate"
        gate.unlink(missing_ok=True)
        with ThreadPoolExecutor(1) as pool:
            script = pool.submit(self.script, line, CANARY_SECONDS="1", **extra)
            try:
                while not self.alias()[1]:
                    assert not script.done(), script.result()
                    time.sleep(0.2)
                yield script
            finally:
                gate.touch()


@contextmanager
def lambda_account(project: Path, folder: Path, shared: Path) -> Iterator[Account]:
    """Its `sleep` is that of `Account.trying_out`."""
    port, log, warm = free_port(), folder / "log", folder / "warm"
    python = tools(shared) / "bin" / "python"
    variables = {
        **account(port),
        "PATH": f"{warm}:{os.environ['PATH']}",
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.1",
        "XDG_CONFIG_HOME": str(folder),
    }
    server = [str(python), "-m", "harness.moto_lambda", str(port), str(folder), str(runtime(shared))]
    with (
        warm_cli(python, warm),
        warm_cli(python, warm, "sam"),
        running(server, folder, log, port, PYTHONPATH=str(HARNESS.parent), **variables),
    ):
        program = warm / "sleep"
        program.write_text(SLEEP.format(sleep=shutil.which("sleep"), gate=folder / "gate"))
        program.chmod(0o755)
        yield Account(project, folder, variables)


def suit_this_machine(project: Path) -> None:
    """Choose its processors for the functions, as an owner may who wants others."""
    if os.uname().machine == "aarch64":
        return
    for name, old, new in (
        ("template.yaml", "[arm64]", "[x86_64]"),
        ("build.sh", "aarch64-manylinux", "x86_64-manylinux"),
    ):
        path = project / FOLDER / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
