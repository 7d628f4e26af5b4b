"""The rows of answers that stand for all combinations: tests/rows.json, written by `make rows`."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations
from typing import Any

from harness import ROOT
from harness.questionnaire import RIDING_ALONG, Questionnaire, Value

ROWS = ROOT / "tests" / "rows.json"
Combination = frozenset[tuple[str, Value]]
OFF = (False, "none")

# Answers that do not combine with switches: each row takes the next of each, None for the default. The numbers of
# values have few common factors, so that they meet in many ways.
TEXTS: Mapping[str, Sequence[str | None]] = {
    "project_name": [
        None,
        "Müller & Søn Orders (EU)",
        "Æther 2.0",
        "a",
        "Fleet, Yard + Dock Management of the Northern Ports",
    ],
    "project_description": [
        None,
        "It's the “orders” API — 100 % ours, and # not a comment: really",
        "Keeps track of every vessel, berth, pilot and tug in the harbour of the north.",
    ],
    "author": [None, "Siobhán O'Brien & Søn, Inc."],
    "project_slug": [
        None,
        "x",
        "order-service",
        "a1-very-long-name-that-is-still-allowed-by-the-rul",
    ],
}


@cache
def questionnaire() -> Questionnaire:
    """The questions of this checkout."""
    return Questionnaire()


@dataclass(frozen=True)
class Row:
    """One set of answers, and the switches that it gives."""

    number: int
    preset: str
    pairwise: bool
    switches: Mapping[str, Value]

    @property
    def id(self) -> str:
        """A preset's name, or what is on."""
        on = [name if value is True else f"{name}={value}" for name, value in self.switches.items() if value]
        return f"{self.number:02}-{self.preset if self.preset != 'custom' else '+'.join(on)}"

    @cached_property
    def answers(self) -> dict[str, Any]:
        """What to give as `--data`."""
        switches = self.switches if self.preset == "custom" else {}
        return {"preset": self.preset, **switches, **rider(self.number)}


def rider(number: int) -> dict[str, Any]:
    """The answers of a row that are no switches. The first row takes every default, as most people do."""
    values = {**TEXTS, **{name: questionnaire().choices(name) for name in sorted(RIDING_ALONG)}}
    taken = {name: options[number % len(options)] for name, options in values.items()} if number else {}
    return {name: value for name, value in taken.items() if value is not None}


@cache
def committed() -> Mapping[str, Any]:
    """The committed file as it is."""
    return dict(json.loads(ROWS.read_text()))


@cache
def all_rows() -> Sequence[Row]:
    """Every row; together they cover all triples."""
    return [Row(number, **row) for number, row in enumerate(committed()["rows"])]


def pairwise_rows() -> Sequence[Row]:
    """The rows that cover all pairs, each set of switches once."""
    first = {tuple(row.switches.items()): row for row in reversed(all_rows()) if row.pairwise}
    return sorted(first.values(), key=lambda row: row.number)


def write(document: Mapping[str, Any]) -> None:
    """Write the file that `committed` reads: one row a line, so that a new switch shows in a diff."""
    head = "".join(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in document.items() if key != "rows")
    rows = ",\n".join(f"    {json.dumps(row)}" for row in document["rows"])
    ROWS.write_text(f'{{\n{head}  "rows": [\n{rows}\n  ]\n}}\n')


def combinations_of(rows: Iterable[Mapping[str, Value]], strength: int) -> set[Combination]:
    """Every combination of `strength` switch values that occurs in the rows."""
    return {frozenset(part) for row in rows for part in combinations(row.items(), strength)}


def switches_of(answers: Mapping[str, Any]) -> dict[str, Value]:
    """The switches that these answers give, defaults included."""
    answered = questionnaire().answer(**answers)
    return {name: answered[name] for name in questionnaire().switches}


def derived_of(switches: Mapping[str, Value]) -> dict[str, Value]:
    """The switches, and those that follow from them."""
    return {**switches, **questionnaire().derived(switches)}


def one_off() -> Iterator[tuple[str, Value, dict[str, Value]]]:
    """Everything on but one switch and what needs it; a choice takes each of its other values in turn."""
    everything = switches_of({"preset": "everything"})
    for name, values in questionnaire().switches.items():
        for value in values:
            if value != everything[name]:
                yield name, value, settle({**everything, name: value}, keep=name)


def settle(switches: Mapping[str, Value], keep: str) -> dict[str, Value]:
    """Switch off what the validators refuse beside the value of `keep`."""
    settled = dict(switches)
    while broken := [r for r in questionnaire().refusals if r.values.items() <= settled.items()]:
        on = (name for name, value in reversed(list(broken[0].values.items())) if name != keep and value not in OFF)
        name = next(on)
        settled[name] = False if settled[name] is True else "none"
    return settled
