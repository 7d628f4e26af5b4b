"""template/ itself is a project with everything on: it can be checked and tested where it stands."""

import shutil
from pathlib import Path

import pytest

from harness import ROOT
from harness.commands import Steps, run
from harness.environments import sync
from harness.projects import work_tree

# The block tags between imports are comments to ruff, which wants blank lines around them; what is rendered is clean.
REGISTRY_FILES = {"app/bootstrap/features.py", "app/bootstrap/settings.py"}


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A copy, so that no environment is left in the checkout."""
    for name in work_tree():
        if name.startswith("template/"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    return tmp_path / "template"


@pytest.mark.render
def test_ruff_is_clean_but_for_the_registries(template: Path) -> None:
    checked = run("ruff check --no-cache --output-format concise .", template)
    formatted = run("ruff format --no-cache --check --output-format concise .", template)
    lines = [line for line in (checked.output + formatted.output).splitlines() if ":" in line and ".py" in line]
    assert {line.split(":")[0].removeprefix("Would reformat").strip() for line in lines} <= REGISTRY_FILES, lines


@pytest.mark.suite
def test_works_in_place(template: Path) -> None:
    """The row with everything runs all of its tests; here are those of how it is put together."""
    outcome = sync(template)
    assert outcome.ok, outcome
    steps = Steps(template)
    steps.run("mypy", "uv run --no-sync mypy")
    steps.run("lint-imports", "uv run --no-sync lint-imports --no-cache")
    tests = "tests/bootstrap tests/core tests/test_architecture.py tests/test_cli.py tests/test_main.py"
    steps.run("pytest", f"uv run --no-sync pytest -q -W error -p no:cacheprovider {tests}")
    steps.check()
