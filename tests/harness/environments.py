"""Virtual environments of rendered projects."""

import os
from dataclasses import dataclass
from pathlib import Path

from harness.commands import Outcome, Steps, run
from harness.projects import Renderer, once


@dataclass(frozen=True)
class Environments:
    """Each project gets an environment of its own from its own declared dependencies.

    The project with everything on is installed first, from the index; the others then find each wheel in uv's cache,
    without a network, in half a second.
    """

    render: Renderer
    folder: Path

    def install(self, project: Path) -> Steps:
        """The project with its environment, ready for further steps."""
        once(self.folder / "warm-up", self._warm_up)
        outcome = sync(project)
        assert outcome.ok, outcome
        return Steps(project, seconds={"uv sync": outcome.seconds})

    def _warm_up(self, target: Path) -> None:
        self.render.project(target, preset="everything")
        outcome = run("uv sync", target)
        assert outcome.ok, outcome

    @property
    def mypy(self) -> str:
        """The command, with one cache for all projects of this worker: its entries are checked by content."""
        return f"uv run --no-sync mypy --cache-dir {self.folder}/mypy-{os.environ.get('PYTEST_XDIST_WORKER', '')}"


def sync(project: Path) -> Outcome:
    """`uv sync`, offline where that is enough: a smaller project may resolve to a wheel that the largest does not."""
    outcome = run("uv sync --offline", project)
    return outcome if outcome.ok else run("uv sync", project)
