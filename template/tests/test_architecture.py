"""Rules that import contracts cannot express. Each reads the source, so each holds for new code."""

import ast
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from app.bootstrap.features import enabled_features
from tests.support import FixedSettings

ROOT = Path(__file__).parents[1]
FOLDERS = ("app", "tests")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
APP = [path for path in SOURCES if path.is_relative_to(ROOT / "app")]

# Whatever they were good for, they have a successor or a trap.
BANNED = {
    "BaseHTTPMiddleware": "write pure ASGI: it breaks context variables and costs twice as much",
    "create_all": "it makes what is missing and never changes what is there",
    "get_event_loop": "use asyncio.run or get_running_loop",
    "on_event": "use the feature's lifespan",
    "utcfromtimestamp": "use datetime.fromtimestamp(..., UTC)",
    "utcnow": "use datetime.now(UTC)",
}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def names(path: Path) -> list[tuple[str, int]]:
    """Every name that is used, imported or looked up as an attribute, with its line."""
    found = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Name):
            found.append((node.id, node.lineno))
        elif isinstance(node, ast.Attribute):
            found.append((node.attr, node.lineno))
        elif isinstance(node, ast.alias):
            found.append((node.name.rsplit(".", 1)[-1], node.lineno))
    return found


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every imported module or name by its full dotted name, with its line."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                yield f"{base}.{alias.name}", node.lineno


def called_methods(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr, node.lineno


def violations(
    paths: list[Path],
    find: Callable[[Path], Iterable[tuple[str, int]]],
    is_wrong: Callable[[Path, str], bool],
) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line}: {found}"
        for path in paths
        for found, line in find(path)
        if is_wrong(path, found)
    ]


def module_of(path: Path) -> str | None:
    """The capability that a file belongs to."""
    parts = path.relative_to(ROOT / "app").parts
    return parts[1] if parts[0] == "modules" and len(parts) > 2 else None


class TestSource:
    @pytest.mark.parametrize("name", BANNED, ids=str)
    def test_uses_nothing_that_is_banned(self, name: str) -> None:
        assert violations(SOURCES, names, lambda _, found: found == name) == [], BANNED[name]

    def test_is_not_too_long(self) -> None:
        long = [path for path in APP if len(path.read_text("utf-8").splitlines()) > 300]

        assert long == []


class TestTransactions:
    def test_are_ended_by_the_infrastructure_alone(self) -> None:
        """The edge commits, once, before the response; a service that does splits a request."""

        def is_wrong(path: Path, method: str) -> bool:
            return method in {"commit", "rollback"} and not path.is_relative_to(
                ROOT / "app" / "infrastructure"
            )

        assert violations(APP, called_methods, is_wrong) == []


class TestModules:
    def test_reach_each_other_through_services(self) -> None:
        """Queries and routes are a module's own."""

        def is_wrong(path: Path, imported: str) -> bool:
            parts = imported.split(".")
            if parts[:2] != ["app", "modules"] or len(parts) < 4:
                return False
            owner, layer = parts[2], parts[3]
            return owner not in {module_of(path), "common"} and layer in {"crud", "routes"}

        assert violations(APP, imports, is_wrong) == []

    def test_are_plugged_in(self) -> None:
        """A folder with a `feature.py` is in `features.py` or `custom.py`, under its own name."""
        folders = {path.parent.name for path in APP if path.name == "feature.py"} - {"core"}
        enabled = [it.name for it in enabled_features(FixedSettings(environment="test"))]

        assert folders <= set(enabled)
        assert len(enabled) == len(set(enabled))

    def test_have_no_drawers(self) -> None:
        drawers = {"utils", "util", "helpers", "helper", "constants", "misc"}

        assert [path for path in APP if drawers & {path.stem, path.parent.name}] == []


class TestEnvironment:
    def test_is_read_by_the_entry_points_alone(self) -> None:
        """Below them settings are handed in; management commands are entry points too."""

        def is_wrong(path: Path, name: str) -> bool:
            place = path.relative_to(ROOT / "app").as_posix()
            may_read = (
                (path.parent == ROOT / "app" and place != "custom.py")
                or place
                in {
                    "bootstrap/settings.py",
                    "bootstrap/variables.py",
                    # Writes it, for the processes that this one starts.
                    "bootstrap/lifespan.py",
                    # What a supervisor hands to this process alone is no setting.
                    "infrastructure/serving/supervisor.py",
                }
                or path.name == "commands.py"
            )
            return name in {"environ", "getenv", "load_settings"} and not may_read

        assert violations(APP, names, is_wrong) == []


class TestTests:
    def test_mirror_the_application(self) -> None:
        tests = ROOT / "tests"
        packages = {
            path.parent.relative_to(tests)
            for path in tests.rglob("test_*.py")
            if path.parent != tests
        }

        assert packages
        assert [it for it in sorted(packages) if not (ROOT / "app" / it).is_dir()] == []

    def test_are_packages(self) -> None:
        """Else two test files of one name shadow each other."""
        folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}

        assert [it for it in sorted(folders) if not (it / "__init__.py").is_file()] == []


class TestCoverage:
    @pytest.mark.parametrize("line", ["password = x", "    if passed:", "raise PassError", "pass"])
    def test_leaves_no_code_out_by_a_part_of_a_word(self, line: str) -> None:
        settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
        patterns = settings["tool"]["coverage"]["report"]["exclude_also"]

        assert patterns
        assert [pattern for pattern in patterns if re.search(pattern, line)] == []
