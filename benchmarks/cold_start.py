"""How long a container of AWS Lambda takes to start: importing the handler opens the service as well."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# The tests know how to run a project.
sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

import project
from harness.commands import environment, run

# Of the time that importing FastAPI takes.
TARGETS = {"minimal": 1.25, "saas": 2.5}
ROUNDS = 15
_FASTAPI, _HANDLER = "fastapi", "app.lambda_handler"
# As after a request for each module.
_EVERY_ROUTE = f"{_HANDLER} as it; from app.core.routing import load_routers; load_routers(it.app)"


@dataclass(frozen=True)
class Start:
    """Seconds of processor time, and how many times what FastAPI alone takes."""

    seconds: float
    ratio: float
    lowest: float
    highest: float
    every_route: float
    """The ratio with every route built, as after requests for all of them."""
    target: float


def measure(template: Path, folder: Path, rounds: int = ROUNDS) -> dict[str, Start]:
    """Of each preset: the package that is deployed, in the Python that measures."""
    found = {}
    for preset, target in TARGETS.items():
        version = f"3.{sys.version_info.minor}"
        rendered, _ = project.render(template, folder, preset=preset, deployment="aws_lambda", python_version=version)
        project.must(run(f"deploy/aws_lambda/build.sh {os.uname().machine}-manylinux_2_28", rendered))
        found[preset] = _compare(rendered / "build" / "aws_lambda", target, rounds)
    return found


def _compare(package: Path, target: float, rounds: int) -> Start:
    seconds: dict[str, list[float]] = {_FASTAPI: [], _HANDLER: [], _EVERY_ROUTE: []}
    for _ in range(rounds + 1):
        for name, values in seconds.items():
            values.append(_import(package, name))
    # The first round read the files from the disk.
    rounds_of = {name: values[1:] for name, values in seconds.items()}
    ratios = [handler / fastapi for handler, fastapi in zip(rounds_of[_HANDLER], rounds_of[_FASTAPI], strict=True)]
    every = [it / fastapi for it, fastapi in zip(rounds_of[_EVERY_ROUTE], rounds_of[_FASTAPI], strict=True)]
    return Start(
        seconds=statistics.median(rounds_of[_HANDLER]),
        ratio=round(statistics.median(ratios), 2),
        lowest=round(min(ratios), 2),
        highest=round(max(ratios), 2),
        every_route=round(statistics.median(every), 2),
        target=target,
    )


def _import(package: Path, name: str) -> float:
    output = subprocess.run(
        # Nothing but the standard library beside the package.
        [sys.executable, "-S", "-c", project.IMPORT.format(name)],
        cwd=package,
        env=environment(**_variables()),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return float(output.splitlines()[-1])


def _variables() -> Mapping[str, str]:
    """Of a function in production; nobody is asked at the start."""
    return {
        "ENVIRONMENT": "production",
        "DATABASE_PURGE_INTERVAL_SECONDS": "0",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "EMAIL_LINK_URL": "https://app.example.com",
        "EMAIL_SENDER": "shop@example.com",
        "EMAIL_SMTP_HOST": "127.0.0.1",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SECRET_KEY": "not a secret, but long enough to be one: 0123456789",
        "STORAGE_BUCKET": "nobody-asks-it",
    }


def summary(starts: Mapping[str, Start]) -> list[str]:
    """A line for each preset."""
    return [
        f"start on AWS Lambda, {preset}: {it.seconds:.2f} s CPU, {it.ratio:.2f} x importing FastAPI "
        f"({it.lowest:.2f} to {it.highest:.2f}; target {it.target:g} or less: "
        f"{'met' if it.ratio <= it.target else 'missed'}); {it.every_route:.2f} x with every route built"
        for preset, it in starts.items()
    ]


def main() -> None:
    """By itself: a few minutes instead of an hour."""
    with tempfile.TemporaryDirectory(prefix="slipway-cold-start-") as name:
        folder = Path(name)
        copy = project.snapshot(Path(__file__).resolve().parents[1], folder)
        print("\n".join(summary(measure(copy, folder))))


if __name__ == "__main__":
    main()
