"""The manifest and the shared files are all that a feature consists of beside its own folders."""

import re

import pytest

from harness import ANSWERS_FILE, TEMPLATE
from harness.manifest import (
    all_guarded,
    everything,
    excluded,
    guarded_by_derived,
    has_jinja,
    listed_jinja_files,
    matching,
    template_files,
)
from harness.projects import Renderer, read_tree
from harness.questionnaire import Value
from harness.rows import one_off, questionnaire

# Where features have folders of their own: plain Python, no Jinja.
FEATURE_FOLDERS = ("app/core/", "app/infrastructure/", "app/modules/", "tests/")
IN_ANSWERS_FILE = "{{ _copier_conf.answers_file }}"
ONE_OFF = [(name, value, switches) for name, value, switches in one_off()]


class TestManifest:
    @pytest.mark.parametrize("pattern", sorted({p for patterns in all_guarded().values() for p in patterns}))
    def test_guarded_pattern_names_an_existing_path(self, pattern: str) -> None:
        assert re.fullmatch(r"/[^*?\[\]!]+[^/]", pattern), "one path, from the root, without a slash at its end"
        assert (TEMPLATE / pattern.lstrip("/")).exists()

    @pytest.mark.parametrize("name", questionnaire().switches)
    def test_every_switch_leaves_something_out(self, name: str) -> None:
        """All that exist bring files; a switch that brings none may be a setting instead."""
        assert any(switch == name for switch, _ in all_guarded())

    def test_every_path_belongs_to_one_switch(self) -> None:
        """Or to all those together whose meeting brings it, and to one choice besides."""
        shared = guarded_by_derived()
        for kind in (bool, str):
            owners = [
                (pattern, name)
                for (name, value), patterns in all_guarded().items()
                if isinstance(value, kind)
                for pattern in patterns - shared
            ]
            assert len(set(owners)) == len({pattern for pattern, _ in owners})

    def test_guards_default_to_on(self) -> None:
        """A project from before a question existed must still update; what it has was always on then."""
        assert not excluded({}) & frozenset[str]().union(*all_guarded().values())

    def test_updates_leave_migrations_alone(self) -> None:
        assert excluded(everything(), "update") - excluded(everything()) == {"/migrations/versions"}


class TestFiles:
    @pytest.mark.render
    def test_every_file_is_rendered_by_some_answers(self, render: Renderer) -> None:
        rendered = {
            path
            for switches in (everything(), *(switches for _, _, switches in ONE_OFF))
            for path in read_tree(render(preset="custom", **switches))
        }
        assert rendered - {ANSWERS_FILE} == template_files() - {IN_ANSWERS_FILE}

    @pytest.mark.render
    @pytest.mark.parametrize(
        ("name", "value"),
        [(name, value) for name, value, _ in ONE_OFF],
        ids=[f"{n}={v}".lower() for n, v, _ in ONE_OFF],
    )
    def test_difference_is_explained(self, name: str, value: Value, render: Renderer) -> None:
        """What is gone is in the manifest, what has changed is on the list of files with Jinja."""
        switches = next(switches for n, v, switches in ONE_OFF if (n, v) == (name, value))
        full, less = (
            read_tree(render(preset="custom", **everything())),
            read_tree(render(preset="custom", **switches)),
        )
        gone = matching(excluded(switches)) - matching(excluded(everything()))
        new = matching(excluded(everything())) - matching(excluded(switches))
        assert set(full) - set(less) == gone
        assert set(less) - set(full) == new
        changed = {path for path in full.keys() & less.keys() if full[path] != less[path]}
        assert changed <= {*listed_jinja_files(), ANSWERS_FILE}


class TestJinja:
    def test_files_with_jinja_are_those_on_the_list(self) -> None:
        assert sorted(path for path in template_files() if has_jinja(path)) == listed_jinja_files()

    def test_no_feature_folder_contains_jinja(self) -> None:
        assert [path for path in template_files() if path.startswith(FEATURE_FOLDERS) and has_jinja(path)] == []

    def test_no_path_contains_jinja(self) -> None:
        assert [path for path in template_files() if "{" in path] == [IN_ANSWERS_FILE]

    def test_starting_points_decide_defaults_only(self) -> None:
        """Nothing that is rendered depends on the preset or the deployment, so changing them later changes nothing."""
        words = re.compile(r"# \{%[^%]*\b(preset|deployment)\b|\{\{[^}]*\b(preset|deployment)\b")
        for path in listed_jinja_files():
            assert not words.search((TEMPLATE / path).read_text()), path
        assert excluded({**everything(), "preset": "x", "deployment": "x"}) == excluded(everything())
