"""What AWS Lambda runs: its runtime, and the package of a project."""

import os
from pathlib import Path

from harness.commands import run
from harness.projects import once

# boto3 is a part of AWS's runtime.
RUNTIME = ("awslambdaric>=4.2.2", "boto3>=1.44.5")


def runtime(shared: Path) -> Path:
    """The Python that has what AWS's runtime has, made once in a run."""

    def make(target: Path) -> None:
        for command in (
            f"uv venv --quiet --relocatable {target}",
            f"uv pip install --quiet --python {target} {' '.join(map(repr, RUNTIME))}",
        ):
            outcome = run(command, shared)
            assert outcome.ok, outcome

    return once(shared / "lambda-runtime", make) / "bin" / "python"


def package(project: Path) -> Path:
    """What build.sh makes of a project, for this machine."""
    outcome = run(f"deploy/aws_lambda/build.sh {os.uname().machine}-manylinux_2_28", project)
    assert outcome.ok, outcome
    return project / "build" / "aws_lambda"
