"""Projects over the years: switches toggled, template improvements taken, the owner's work kept."""

import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from harness import ANSWERS_FILE, ROOT
from harness.commands import Steps, run
from harness.environments import Environments, sync
from harness.git import ENVIRONMENT, commit_all, git
from harness.projects import (
    VERSION,
    Renderer,
    differences,
    empty_folders,
    read_texts,
    update,
)
from harness.questionnaire import Value
from harness.recipe import ADD_A_MODULE, follow
from harness.rows import OFF, one_off, switches_of
from harness.servers import new_database

pytestmark = pytest.mark.life

NEXT_VERSION = "v999.1.0"
# The owner's from the day of the copy; a later toggle is followed by a migration of their own.
FROZEN = ("migrations/versions/",)
TOGGLES = [pytest.param(name, switches, id=f"{name}={value}".lower()) for name, value, switches in one_off()]
EVERYTHING = switches_of({"preset": "everything"})
NOT_ALONE = [it for it in one_off() if it[2] != {**EVERYTHING, it[0]: it[1]}]
NEEDED = [pytest.param(name, switches, id=name) for name, value, switches in NOT_ALONE if value in OFF]
CLASHING = [pytest.param(name, value, switches, id=name) for name, value, switches in NOT_ALONE if value not in OFF]
RELEASES = sorted(git(ROOT, "tag", "--list", "v*", "--sort=-version:refname").split()[:3])


class TestToggle:
    @pytest.mark.parametrize(("name", "off"), TOGGLES)
    def test_on_and_off_again(self, name: str, off: dict[str, Value], render: Renderer, tmp_path: Path) -> None:
        """Each state is the one of a fresh copy, whatever was before."""
        on = {**off, name: EVERYTHING[name]}
        project = render.project(tmp_path / "project", preset="custom", **off)
        for state in (on, off):
            assert update(project, **{name: state[name]}) == []
            assert differences(project, render(preset="custom", **state), without=FROZEN) == ""
            assert empty_folders(project) == []
            commit_all(project, f"Switch {name}")

    @pytest.mark.parametrize(("name", "off"), NEEDED)
    def test_off_takes_along_what_needs_it(
        self, name: str, off: dict[str, Value], render: Renderer, tmp_path: Path
    ) -> None:
        project = render.project(tmp_path / "project", preset="custom", **EVERYTHING)
        assert update(project, **{name: off[name]}) == []
        assert differences(project, render(preset="custom", **off), without=FROZEN) == ""

    @pytest.mark.parametrize(("name", "value", "switches"), CLASHING)
    def test_on_says_what_must_go_off(
        self, name: str, value: Value, switches: dict[str, Value], render: Renderer, tmp_path: Path
    ) -> None:
        """The owner decides what to lose: until then the project stays as it is."""
        project = render.project(tmp_path / "project", preset="custom", **EVERYTHING)
        with pytest.raises(ValueError, match="switch off") as refusal:
            update(project, **{name: value})
        assert git(project, "status", "--porcelain") == ""

        off = dict.fromkeys(re.findall(r"-d (\w+)=false", str(refusal.value)), False)
        assert update(project, **off, **{name: value}) == []
        assert differences(project, render(preset="custom", **switches), without=FROZEN) == ""

    def test_nothing_to_do_changes_nothing(self, render: Renderer, tmp_path: Path) -> None:
        project = render.project(tmp_path / "project", preset="api")
        assert update(project) == []
        assert git(project, "status", "--porcelain") == ""

    def test_by_the_command_line(self, snapshot: Path, render: Renderer, tmp_path: Path) -> None:
        """The commands of the documentation do what the tests here do without them."""
        project, copier = tmp_path / "project", [sys.executable, "-m", "copier"]
        copied = run([*copier, "copy", "--defaults", "-r", VERSION, str(snapshot), str(project)], tmp_path)
        assert copied.ok, copied
        assert "My Service is ready in" in copied.output
        assert differences(project, render()) == ""
        commit_all(project, "Start")
        updated = run([*copier, "update", "-r", ":current:", "--defaults", "-d", "example=false"], project, ENVIRONMENT)
        assert updated.ok, updated
        assert "My Service is updated" in updated.output
        assert differences(project, render(example=False), without=FROZEN) == ""

    def test_changing_the_preset_later_switches_nothing(self, render: Renderer, tmp_path: Path) -> None:
        project = render.project(tmp_path / "project", preset="minimal")
        assert update(project, preset="everything") == []
        assert git(project, "status", "--porcelain").split() == ["M", ANSWERS_FILE]


# What an owner adds to the template's files, and what the next version of the template changes in the same files.
# A text without an anchor goes to the end.
OWNERS_EDITS: list[tuple[str, str | None, str]] = [
    ("README.md", None, "\n## House rules\n\nAsk Ada before you deploy.\n"),
    ("AGENTS.md", None, "\n- Ada reviews every migration.\n"),
    ("pyproject.toml", '    "pydantic>=', '    "idna>=3.10",\n'),
    ("pyproject.toml", None, '\n[tool.house]\nowner = "Ada"\n'),
    ("app/main.py", None, 'app.state.owner = "Ada"\n'),
    ("compose.yaml", None, "  backups:\n"),
    (
        ".github/workflows/ci.yml",
        None,
        "\n  house:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: echo Ada\n",
    ),
    (".env.example", None, "\n# Ask Ada before you change these.\n"),
    ("Dockerfile", None, 'LABEL owner="Ada"\n'),
    (".gitignore", None, "ada/\n"),
]
TEMPLATES_CHANGES: list[tuple[str, str, str]] = [
    ("README.md", "## What is inside\n", "New words of the template.\n\n"),
    ("AGENTS.md", "## ", "New words of the template.\n\n"),
    ("pyproject.toml", "[tool.ruff]\n", "[tool.template]\nnew = true\n\n"),
    ("app/main.py", "import sys\n", "# New in the template.\n"),
    ("compose.yaml", "services:\n", "# New in the template.\n"),
    (".github/workflows/ci.yml", "on:\n", "# New in the template.\n"),
    (".env.example", "#ENVIRONMENT", "# New in the template.\n"),
    ("Dockerfile", "FROM ", "# New in the template.\n"),
    ("app/modules/health/routes.py", "logger = ", "# New in the template.\n"),
]


def insert(folder: Path, path: str, before: str | None, text: str) -> None:
    """Put text before the first line that starts so, or at the end."""
    content = (folder / path).read_text()
    if before is None:
        (folder / path).write_text(content + text)
        return
    match = re.search(rf"^(# )?{re.escape(before)}", content, re.MULTILINE)
    assert match, f"{path} has no line that starts with {before!r}"
    (folder / path).write_text(content[: match.start()] + text + content[match.start() :])


@pytest.fixture
def next_version(snapshot: Path, tmp_path: Path) -> Renderer:
    """The same template with a second release in which the files changed."""
    template = tmp_path / "template"
    git(tmp_path, "clone", "-q", str(snapshot), str(template))
    for change in TEMPLATES_CHANGES:
        insert(template / "template", *change)
    commit_all(template, "Next version")
    git(template, "tag", NEXT_VERSION)
    return Renderer(template, tmp_path / "renders")


def lost_lines(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Lines, or whole files, that were there before and are gone."""
    lost = []
    for path, text in before.items():
        gone = Counter(text.splitlines()) - Counter(after.get(path, "").splitlines())
        lost += [f"{path}: {line}" for line in gone.elements()]
    return lost


class TestLivedIn:
    @pytest.mark.suite
    def test_update_keeps_every_line(self, next_version: Renderer, environments: Environments, tmp_path: Path) -> None:
        """A module of one's own, its migration, and edits in every kind of file."""
        project = next_version.project(tmp_path / "project", preset="api")
        steps = environments.install(project)
        follow(ADD_A_MODULE, steps)
        for edit in OWNERS_EDITS:
            insert(project, *edit)
        commit_all(project, "A year of work")
        before = read_texts(project)

        assert update(project, NEXT_VERSION) == []

        after = read_texts(project)
        assert lost_lines(before, after) == []
        for path, _, text in [*OWNERS_EDITS, *TEMPLATES_CHANGES]:
            assert text in after[path], path
        sync(project)
        for command in (
            "ruff check",
            "mypy",
            "lint-imports",
            "alembic upgrade head",
            "alembic check",
            "pytest -q",
        ):
            steps.run(command, f"uv run --no-sync {command}")
        steps.check()

    def test_toggle_keeps_every_line(self, render: Renderer, tmp_path: Path) -> None:
        """Switching a feature off takes the feature's lines, and none of the owner's."""
        project = render.project(tmp_path / "project", preset="api")
        for edit in OWNERS_EDITS:
            insert(project, *edit)
        (project / "app" / "modules" / "own.py").write_text("OWN = 1\n")
        commit_all(project, "A year of work")
        assert update(project, example=False, devcontainer=True) == []
        after = read_texts(project)
        for path, _, text in OWNERS_EDITS:
            assert text in after[path], path
        assert after["app/modules/own.py"] == "OWN = 1\n"

    def test_conflicts_are_reported(self, next_version: Renderer, tmp_path: Path) -> None:
        """The check above can fail: an edit in the very line that the template changes is a conflict."""
        project = next_version.project(tmp_path / "project", preset="api")
        insert(project, "app/main.py", "import sys\n", "# Mine, in the same place.\n")
        commit_all(project, "In the way")
        assert update(project, NEXT_VERSION) == ["app/main.py"]

    @pytest.mark.parametrize("release", RELEASES)
    def test_update_from_release(self, release: str, render: Renderer, tmp_path: Path) -> None:
        project = render.project(tmp_path / "project", release, preset="api")
        assert update(project, VERSION) == []
        assert empty_folders(project) == []


@pytest.mark.suite
class TestDatabaseFollows:
    """Toggling what has tables, in a project whose database is already migrated: one migration each time."""

    STATES = ({"example": False}, {"auth": False}, {"auth": True}, {"example": True})

    def toggle_all(self, render: Renderer, environments: Environments, folder: Path, **extra: str) -> None:
        project = render.project(folder, preset="api")
        steps = environments.install(project)
        steps.run("upgrade", "uv run --no-sync alembic upgrade head", **extra)
        for number, answers in enumerate(self.STATES):
            commit_all(project, f"Before {answers}")
            assert update(project, **answers) == []
            outcome = sync(project)
            assert outcome.ok, outcome
            assert not Steps(project).run("check", "uv run --no-sync alembic check", **extra), "drift was not noticed"
            for command in (f"revision --autogenerate -m step{number}", "upgrade head", "check"):
                steps.run(f"{answers}: {command}", f"uv run --no-sync alembic {command}", **extra)
            steps.check()
        steps.run("down and up", "uv run --no-sync alembic downgrade base", **extra)
        steps.run("down and up", "uv run --no-sync alembic upgrade head", **extra)
        steps.run("pytest", "uv run --no-sync pytest -q -W error")
        steps.check()

    def test_sqlite(self, render: Renderer, environments: Environments, tmp_path: Path) -> None:
        self.toggle_all(render, environments, tmp_path / "project")

    def test_postgresql(self, render: Renderer, environments: Environments, postgres: str, tmp_path: Path) -> None:
        with new_database(postgres) as url:
            self.toggle_all(render, environments, tmp_path / "project", DATABASE_URL=url)
