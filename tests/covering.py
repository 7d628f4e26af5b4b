"""Write tests/rows.json: the presets, then rows that cover every allowed pair and triple of switch values.

Run it with `make rows` after a change in questions/. The switches, their values and what they need are read from the
questions, so a new switch costs nothing here.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from harness.arrays import Cell, CoveringArray, Integers
from harness.questionnaire import BESIDE_THE_SERVICE, Questionnaire, Value
from harness.rows import questionnaire, switches_of, write

# Attempts at a shorter array: many for a small space, one for a large one, a few seconds for either.
CELLS_PER_RUN = 60_000


class Space:
    """Switches of a questionnaire, all or some, as numbered factors."""

    def __init__(self, questions: Questionnaire, without: Collection[str] = ()) -> None:
        self.values = {name: values for name, values in questions.switches.items() if name not in without}
        self.names = list(self.values)
        self.sizes = [len(values) for values in self.values.values()]
        self.forbidden: list[Cell] = [
            tuple((self.names.index(name), self.values[name].index(value)) for name, value in refusal.values.items())
            for refusal in questions.refusals
            if refusal.values.keys() <= self.values.keys()
        ]

    def encode(self, switches: Mapping[str, Value]) -> Integers:
        """The row of these switches."""
        return np.array([self.values[name].index(switches[name]) for name in self.names])

    def decode(self, row: Integers) -> dict[str, Value]:
        """The switches of this row."""
        return {name: self.values[name][index] for name, index in zip(self.names, row.tolist(), strict=True)}

    def cells(self, switches: Mapping[str, Value]) -> Cell:
        """Some switches by number."""
        return tuple((self.names.index(name), self.values[name].index(value)) for name, value in switches.items())

    def cover(
        self, strength: int, begin: Sequence[Integers], bodies: Sequence[Cell] = ()
    ) -> tuple[list[Integers], int]:
        """Rows that cover every allowed combination, and how many of these there are."""
        array = CoveringArray(self.sizes, self.forbidden, strength)
        attempts = max(1, CELLS_PER_RUN // array.cells.count // (len(bodies) or 1))
        return array.extend(begin, attempts, bodies), int(array.possible.sum())


def build() -> dict[str, Any]:
    """The content of rows.json.

    The pairwise rows have few different services among them: what is beside the service varies more often.
    """
    space, service = Space(questionnaire()), Space(questionnaire(), without=BESIDE_THE_SERVICE)
    presets = [str(preset) for preset in questionnaire().choices("preset") if preset != "custom"]
    starts = [switches_of({"preset": preset}) for preset in presets]
    begin = [space.encode(switches) for switches in starts]
    services, _ = service.cover(2, [service.encode(switches) for switches in starts])
    pairwise, pairs = space.cover(2, begin, [space.cells(service.decode(row)) for row in services])
    threewise, triples = space.cover(3, pairwise)
    names = presets + ["custom"] * (len(threewise) - len(presets))
    return {
        "switches": space.values,
        "pairs": pairs,
        "triples": triples,
        "rows": [
            {"preset": name, "pairwise": number < len(pairwise), "switches": space.decode(row)}
            for number, (name, row) in enumerate(zip(names, threewise, strict=True))
        ],
    }


if __name__ == "__main__":
    document = build()
    write(document)
    pairwise = [row["switches"] for row in document["rows"] if row["pairwise"]]
    services = {tuple(value for name, value in row.items() if name not in BESIDE_THE_SERVICE) for row in pairwise}
    print(
        f"{len(pairwise)} rows with {len(services)} services for {document['pairs']} pairs,"
        f" {len(document['rows'])} rows for {document['triples']} triples"
    )
