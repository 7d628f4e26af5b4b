"""Adding a feature, and adding a module to a project, take what the documentation says and nothing else."""

import re
from pathlib import Path

import pytest

import toy_feature
from covering import Space
from harness.checks import problems
from harness.environments import Environments
from harness.git import commit_all, git
from harness.projects import VERSION, Renderer, differences, read_tree, update
from harness.questionnaire import Questionnaire
from harness.recipe import ADD_A_MODULE, blocks, follow
from harness.rows import committed, derived_of, questionnaire, switches_of
from harness.service import check_service

SHARED_FILES = {
    "copier.yml",
    "questions/30-features.yml",
    "template/.env.example",
    "template/app/bootstrap/features.py",
    "template/app/bootstrap/settings.py",
}


@pytest.fixture
def with_toy(snapshot: Path, tmp_path: Path) -> Renderer:
    """The template with one more feature."""
    template = tmp_path / "template"
    git(tmp_path, "clone", "-q", str(snapshot), str(template))
    toy_feature.add_to(template)
    commit_all(template, "Add the tide")
    git(template, "tag", "--force", VERSION)
    return Renderer(template, tmp_path / "renders")


@pytest.mark.render
class TestToyFeature:
    def test_only_the_shared_files_are_edited(self, with_toy: Renderer) -> None:
        """What a feature is: folders, and a piece in each file that lists features; nothing is taken away."""
        changes = [line.split("\t") for line in git(with_toy.template, "diff", "--numstat", "HEAD~1").splitlines()]
        assert {path for _, _, path in changes} == SHARED_FILES | set(toy_feature.FILES)
        assert {removed for _, removed, _ in changes} == {"0"}

    def test_it_is_a_switch_without_further_ado(self, with_toy: Renderer) -> None:
        """Rows, refusals and the questionnaire know it from its question alone."""
        questions = Questionnaire(with_toy.template)
        space = Space(questions)
        assert questions.switches[toy_feature.NAME] == (False, True)
        rows, pairs = space.cover(2, [])
        assert pairs == committed()["pairs"] + 2 * sum(len(values) for values in questionnaire().switches.values())
        assert {space.decode(row)[toy_feature.NAME] for row in rows} == {False, True}

    def test_renders_on_and_off_without_residue(self, with_toy: Renderer) -> None:
        everything = switches_of({"preset": "everything"})
        on, off = (with_toy(preset="custom", **everything, tide=value) for value in (True, False))
        assert problems(on, derived_of(everything)) == []
        assert problems(off, derived_of(everything)) == []
        words = re.compile(rb"\btides?\b", re.IGNORECASE)
        mentioning = {name for name, text in read_tree(on).items() if words.search(text)}
        assert {name.removeprefix("template/") for name in toy_feature.FILES} - mentioning <= {
            "app/modules/tide/__init__.py",
            "tests/modules/tide/__init__.py",
        }
        assert [name for name, text in read_tree(off).items() if words.search(text)] == [".copier-answers.yml"]

    @pytest.mark.life
    def test_toggles(self, with_toy: Renderer, tmp_path: Path) -> None:
        project = with_toy.project(tmp_path / "project", preset="api")
        for value in (True, False):
            assert update(project, tide=value) == []
            assert differences(project, with_toy(preset="api", tide=value), without=("migrations/versions/",)) == ""
            commit_all(project, "Switch the tide")

    @pytest.mark.suite
    def test_passes_its_suite(self, with_toy: Renderer, environments: Environments, tmp_path: Path) -> None:
        steps = environments.install(with_toy.project(tmp_path / "project", preset="minimal", tide=True))
        steps.run("mypy", environments.mypy)
        steps.run("lint-imports", "uv run --no-sync lint-imports --no-cache")
        check_service(steps, TIDE_MEAN_METRES="2.5")
        steps.run("pytest", "uv run --no-sync pytest -q -W error -p no:cacheprovider")
        steps.check()


class TestRecipe:
    def test_page_has_files_and_commands(self) -> None:
        found = list(blocks(ADD_A_MODULE))
        assert sum(title is not None for _, title, _ in found) >= 8
        commands = [text for kind, title, text in found if kind == "bash" and not title]
        for check in (
            "ruff format --check",
            "ruff check",
            "mypy",
            "lint-imports",
            "alembic check",
            "pytest",
        ):
            assert any(check in text for text in commands), check

    @pytest.mark.suite
    @pytest.mark.parametrize("answers", [{"preset": "api"}, {"preset": "minimal", "database": True}], ids=str)
    def test_followed_to_the_letter(
        self,
        answers: dict[str, object],
        render: Renderer,
        environments: Environments,
        tmp_path: Path,
    ) -> None:
        """Where the page says it works: on the default project, and with the database alone."""
        steps = environments.install(render.project(tmp_path / "project", **answers))
        follow(ADD_A_MODULE, steps)
        steps.check()
