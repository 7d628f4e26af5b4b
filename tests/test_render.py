"""Every row of three-wise combinations renders to a clean project with nothing of what is switched off."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness import ANSWERS_FILE
from harness.checks import mentions, plain_ruff_problems, problems, residue, residue_problems
from harness.projects import Renderer, read_texts, read_tree
from harness.questionnaire import Value
from harness.report import RecordProperty, identify
from harness.rows import Row, all_rows, derived_of, one_off, questionnaire, settle, switches_of

pytestmark = pytest.mark.render

ONE_OFF = [pytest.param(switches, id=f"{name}={value}".lower()) for name, value, switches in one_off()]


def everything_with(name: str, value: Value) -> dict[str, Value]:
    """Everything that can be on beside this value of a switch."""
    everything = switches_of({"preset": "everything"})
    return settle({**everything, name: value}, keep=name) if name in everything else everything


def check(project: Path, switches: Mapping[str, Value]) -> None:
    found = problems(project, derived_of(switches))
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize("row", all_rows(), ids=lambda row: row.id)
def test_row_is_clean(row: Row, render: Renderer, record_property: RecordProperty) -> None:
    identify(record_property, "render", row)
    check(render(**row.answers), row.switches)


@pytest.mark.parametrize("switches", ONE_OFF)
def test_everything_but_one_is_clean(switches: Mapping[str, Value], render: Renderer) -> None:
    check(render(preset="custom", **switches), switches)


@pytest.mark.parametrize("preset", ["minimal", "everything"])
def test_the_defaults_of_ruff_find_nothing_either(preset: str, render: Renderer) -> None:
    """What the project's configuration ignores is not what most people look for."""
    assert plain_ruff_problems(render(preset=preset)) == []


def test_answers_are_kept_for_updates(render: Renderer) -> None:
    """Each switch is stored, asked or not; nothing derived is."""
    kept = read_tree(render(preset="api"))[ANSWERS_FILE].decode()
    names = set(re.findall(r"^(\w+):", kept, re.MULTILINE))
    expected = set(questionnaire().questions) - set(questionnaire().hidden)
    assert names == expected | {"_commit", "_src_path"}


class TestResidueVocabulary:
    """The words themselves: a check that looks for nothing finds nothing."""

    def test_every_switch_has_words(self) -> None:
        switches = questionnaire().switches
        expected = {name: {True} if True in values else set(values) - {"none"} for name, values in switches.items()}
        expected |= {name: {True} for name in questionnaire().derived_switches}
        assert {name: set(entry) for name, entry in residue().items()} == expected

    @pytest.mark.parametrize(("name", "value"), [(name, value) for name, entry in residue().items() for value in entry])
    def test_words_occur_where_it_is_on(self, name: str, value: Value, render: Renderer) -> None:
        texts = read_texts(render(preset="custom", **everything_with(name, value)))
        assert list(mentions(texts, residue()[name][value]))

    @pytest.mark.parametrize(("name", "value"), [(name, value) for name, entry in residue().items() for value in entry])
    def test_words_are_found_where_it_is_said_to_be_off(self, name: str, value: Value, render: Renderer) -> None:
        on = everything_with(name, value)
        project = render(preset="custom", **on)
        off = {**derived_of(on), name: False}
        assert residue_problems(read_tree(project), read_texts(project), off) != []
