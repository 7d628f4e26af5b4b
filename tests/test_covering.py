"""rows.json is valid, complete and in step with the questions, shown without the generator's own bookkeeping."""

import random
import time
from collections.abc import Iterator
from functools import cache
from itertools import combinations, product

import pytest

from harness.arrays import CoveringArray
from harness.questionnaire import Questionnaire, Value
from harness.rows import (
    Combination,
    Row,
    all_rows,
    combinations_of,
    committed,
    pairwise_rows,
    questionnaire,
    switches_of,
)

STALE = "the questions have changed since tests/rows.json was written: run `make rows` and commit the result"


def behind(questions: Questionnaire, names: tuple[str, ...]) -> list[str]:
    """The switches that decide whether values of `names` are allowed, in the order of asking.

    A validator sees only answers that were given before it, and the defaults after it are always allowed (a test says
    so), so nothing else can forbid a combination.
    """
    found = set(names)
    while found != (more := found.union(*(r.values for r in questions.refusals if list(r.values)[-1] in found))):
        found = more
    return [name for name in questions.switches if name in found]


def allowed_combinations(questions: Questionnaire, strength: int) -> Iterator[Combination]:
    """Every allowed combination: all values of what decides about it, one by one, past the validators."""

    @cache
    def refused(name: str, values: tuple[Value, ...]) -> bool:
        return bool(questions.refusal(name, dict(zip(questions.decisive[name], values, strict=True))))

    for names in combinations(questions.switches, strength):
        involved = behind(questions, names)
        validated = [(name, questions.decisive[name]) for name in involved if name in questions.decisive]
        found = set()
        for values in product(*(questions.switches[name] for name in involved)):
            switches = dict(zip(involved, values, strict=True))
            combination = frozenset((name, switches[name]) for name in names)
            if combination not in found and not any(
                refused(name, tuple(switches[other] for other in others)) for name, others in validated
            ):
                found.add(combination)
        yield from found


def test_rows_are_in_step_with_the_questions() -> None:
    known = {name: tuple(values) for name, values in committed()["switches"].items()}
    assert known == questionnaire().switches, STALE


@pytest.mark.parametrize("row", all_rows(), ids=lambda row: row.id)
def test_row_is_accepted_and_gives_its_switches(row: Row) -> None:
    assert switches_of(row.answers) == row.switches, STALE


@pytest.mark.parametrize("strength", [2, 3])
def test_rows_are_complete(strength: int) -> None:
    rows = pairwise_rows() if strength == 2 else all_rows()
    expected = set(allowed_combinations(questionnaire(), strength))
    covered = combinations_of((row.switches for row in rows), strength)
    assert [sorted(missing) for missing in expected - covered] == [], STALE
    assert [sorted(refused) for refused in covered - expected] == [], STALE
    assert len(expected) == committed()["pairs" if strength == 2 else "triples"], STALE


def test_every_preset_is_a_row() -> None:
    presets = [row.preset for row in all_rows() if row.preset != "custom"]
    assert [*presets, "custom"] == list(questionnaire().choices("preset")), STALE


def test_presets_hold_both_ends() -> None:
    rows = {row.preset: row.switches for row in all_rows()}
    off: set[Value] = {False, "none"}
    # The others choose within a switch.
    can_be_off = [name for name, values in questionnaire().switches.items() if off & set(values)]
    assert can_be_off
    assert {rows["minimal"][name] for name in can_be_off} == off
    everything = rows["everything"]
    excluded = {name for name in can_be_off if everything[name] in off}
    # What is off there would be refused.
    assert all(
        any(r.values.items() <= {**everything, name: True}.items() for r in questionnaire().refusals)
        for name in excluded
    )


def test_every_licence_and_python_version_occurs() -> None:
    for name in ("license", "python_version"):
        assert {row.answers.get(name) for row in all_rows()} >= set(questionnaire().choices(name))


def test_a_default_is_never_refused() -> None:
    """Answers up to any question can be followed by the defaults of the rest."""
    names = list(questionnaire().switches)
    prefixes = {tuple(row.switches[name] for name in names[:end]) for row in all_rows() for end in range(len(names))}
    for prefix in prefixes:
        for preset in ("minimal", "everything", "custom"):
            questionnaire().answer(preset=preset, **dict(zip(names, prefix, strict=False)))


def test_refusals_are_copiers_own() -> None:
    """What the generator takes from the validators is what Copier says of whole sets of answers."""
    chance = random.Random(1)  # noqa: S311
    for _ in range(100):
        switches = dict(chance.choice(all_rows()).switches)
        changed = chance.choice(list(switches))
        switches[changed] = chance.choice(questionnaire().switches[changed])
        expected = any(refusal.values.items() <= switches.items() for refusal in questionnaire().refusals)
        try:
            questionnaire().answer(preset="custom", **switches)
        except ValueError:
            assert expected, switches
        else:
            assert not expected, switches


def test_fifty_switches_take_seconds() -> None:
    """The size that the template is made for: 50 switches of which 16 need another, and three choices."""
    sizes = [2] * 50 + [3, 2, 4]
    needs = [((switch, 1), (switch // 3, 0)) for switch in range(3, 50, 3)]
    started = time.process_time()
    array = CoveringArray(sizes, needs, 3)
    rows = [tuple(row.tolist()) for row in array.extend([])]
    seconds = time.process_time() - started
    assert all(not (row[a] == 1 and row[b] == 0) for row in rows for (a, _), (b, _) in needs)
    covered = {(at, tuple(row[i] for i in at)) for row in rows for at in combinations(range(len(sizes)), 3)}
    assert len(covered) == int(array.possible.sum()) == 201_228
    assert len(rows) < 75
    assert seconds < 30
