"""Fixtures; what they do is in the harness package."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import git
from harness.environments import Environments
from harness.projects import Renderer, once, take_snapshot
from harness.report import pytest_terminal_summary
from harness.servers import postgresql
from harness.speed import speed_up

__all__ = ["pytest_terminal_summary"]

# For Copier as well, which calls git in this process.
os.environ.update(git.ENVIRONMENT)
speed_up()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run see."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def snapshot(shared: Path) -> Path:
    """The template as it stands in this checkout, committed and tagged."""
    return once(shared / "snapshot", take_snapshot)


@pytest.fixture(scope="session")
def render(snapshot: Path, shared: Path) -> Renderer:
    """Renders the snapshot."""
    return Renderer(snapshot, shared / "renders")


@pytest.fixture(scope="session")
def environments(render: Renderer, shared: Path) -> Environments:
    """Installs what a project declares."""
    return Environments(render, shared)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server."""
    with postgresql() as url:
        yield url
