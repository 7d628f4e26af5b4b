"""The rendered default project: how long it takes to make, to import and to test."""

import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copier import Settings, run_copy
from harness.commands import Outcome, environment, run

_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "uv.lock", "*.db")

IMPORT = "import time; start = time.process_time(); import {}; print(time.process_time() - start)"


@dataclass
class Spent:
    """Seconds on the clock, and seconds of processor time."""

    wall: float = 0
    cpu: float = 0


@contextmanager
def _measured(who: int) -> Iterator[Spent]:
    spent, started, before = Spent(), time.perf_counter(), resource.getrusage(who)
    yield spent
    after = resource.getrusage(who)
    spent.wall = time.perf_counter() - started
    spent.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def snapshot(template: Path, folder: Path) -> Path:
    """The template as it is on disk, without its history, so that uncommitted work is measured too."""
    copy = folder / "template"
    shutil.copytree(template, copy, ignore=_LEFT_OUT)
    return copy


def render(template: Path, folder: Path, rounds: int = 1, **answers: object) -> tuple[Path, Spent]:
    """Copy a project `rounds` times; the last copy, and the median of what one took."""
    options: dict[str, Any] = {"defaults": True, "quiet": True, "unsafe": False, "data": answers}
    rendered = []
    for _ in range(rounds):
        target = Path(tempfile.mkdtemp(dir=folder)) / "project"
        with _measured(resource.RUSAGE_SELF) as spent:
            run_copy(str(template), target, settings=Settings(), **options)
        rendered.append(spent)
    return target, _median(rendered)


def _median(spent: list[Spent]) -> Spent:
    return Spent(statistics.median(one.wall for one in spent), statistics.median(one.cpu for one in spent))


def must(outcome: Outcome) -> Outcome:
    """Raises `RuntimeError` with the output of a command that failed."""
    if not outcome.ok:
        raise RuntimeError(str(outcome))
    return outcome


def install(project: Path) -> None:
    """What the owner does, and its bytecode, as the image has it."""
    must(run("uv sync --compile-bytecode", project))


def import_seconds(project: Path, variables: Mapping[str, str], rounds: int) -> dict[str, list[float]]:
    """The processor time of importing the service and of importing FastAPI, in turn, each in a fresh interpreter."""
    python = project / ".venv" / "bin" / "python"
    found: dict[str, list[float]] = {"app.main": [], "fastapi": []}
    for _ in range(rounds + 1):
        for name, seconds in found.items():
            output = subprocess.run(
                [python, "-c", IMPORT.format(name)],
                cwd=project,
                env=environment(**variables),
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            seconds.append(float(output.splitlines()[-1]))
    # The first one writes the bytecode of the project's own files.
    return {name: seconds[1:] for name, seconds in found.items()}


def suite(project: Path) -> tuple[Spent, str]:
    """The project's own tests on SQLite, and pytest's last line."""
    with _measured(resource.RUSAGE_CHILDREN) as spent:
        outcome = must(run("uv run pytest -q -p no:cacheprovider", project))
    return spent, outcome.output.strip().splitlines()[-1]
