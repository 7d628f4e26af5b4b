"""Covering arrays under constraints: few rows in which every allowed combination of any `strength` factors occurs.

Factors are numbered, and so are the values of each. A constraint is a set of (factor, value) pairs that must not occur
together. Greedy choice of rows with hill climbing; everything that is counted often is counted with numpy.
"""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from itertools import combinations
from math import prod

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Cell = tuple[tuple[int, int], ...]
CANDIDATES = 40  # rows tried at each step; more of them save no rows that a second attempt does not


class Constraints:
    """The rows that are allowed, and how to finish a row of which some values are given."""

    def __init__(self, sizes: Sequence[int], forbidden: Iterable[Cell], rng: np.random.Generator) -> None:
        self.sizes = list(sizes)
        self.rng = rng
        self._touching: list[list[Cell]] = [[] for _ in sizes]
        for cell in forbidden:
            for factor, _ in cell:
                self._touching[factor].append(cell)

    def allow(self, row: Integers, factor: int) -> bool:
        """Whether no constraint on `factor` is broken."""
        return not any(all(row[i] == value for i, value in cell) for cell in self._touching[factor])

    def complete(self, given: Cell = ()) -> Integers | None:
        """A random allowed row with the given values, or None where there is none."""
        domains = [(1 << size) - 1 for size in self.sizes]
        for factor, value in given:
            domains[factor] &= 1 << value
        if not self._propagate(domains, range(len(domains))):
            return None
        found = self._search(domains, self.rng.permutation(len(domains)).tolist())
        return None if found is None else np.array([domain.bit_length() - 1 for domain in found])

    def _search(self, domains: list[int], order: list[int]) -> list[int] | None:
        for position, factor in enumerate(order):
            if domains[factor].bit_count() == 1:
                continue
            for value in self.rng.permutation(self.sizes[factor]).tolist():
                if domains[factor] >> value & 1:
                    attempt = domains.copy()
                    attempt[factor] = 1 << value
                    if self._propagate(attempt, [factor]):
                        found = self._search(attempt, order[position + 1 :])
                        if found is not None:
                            return found
            return None
        return domains

    def _propagate(self, domains: list[int], changed: Iterable[int]) -> bool:
        """Remove the values that the constraints leave no room for; False where a factor has none left."""
        queue = deque(changed)
        while queue:
            for cell in self._touching[queue.popleft()]:
                if any(not domains[factor] >> value & 1 for factor, value in cell):
                    continue
                open_pairs = [(factor, value) for factor, value in cell if domains[factor] != 1 << value]
                if not open_pairs:
                    return False
                if len(open_pairs) == 1:
                    [(factor, value)] = open_pairs
                    domains[factor] &= ~(1 << value)
                    queue.append(factor)
        return all(domains)


class Cells:
    """Every combination of values of every `strength` factors, numbered."""

    def __init__(self, sizes: Sequence[int], strength: int) -> None:
        self.groups = np.array(list(combinations(range(len(sizes)), strength)), dtype=np.int64)
        widths = np.array(sizes, dtype=np.int64)[self.groups]
        after = np.cumprod(widths[:, ::-1], axis=1)[:, ::-1]
        self._weights = np.hstack([after[:, 1:], np.ones((len(self.groups), 1), dtype=np.int64)])
        self._starts = np.concatenate([[0], np.cumsum(after[:, 0])])
        self.count = int(self._starts[-1])
        self.groups_of = [np.flatnonzero((self.groups == factor).any(axis=1)) for factor in range(len(sizes))]

    def of(self, row: Integers, groups: Integers | slice = slice(None)) -> Integers:
        """The cells that the row covers in these groups."""
        return np.asarray(self._starts[:-1][groups] + (row[self.groups[groups]] * self._weights[groups]).sum(axis=1))

    def decode(self, cell: int) -> Cell:
        """The factors and values of one cell."""
        group = int(np.searchsorted(self._starts, cell, side="right")) - 1
        rest, pairs = cell - int(self._starts[group]), []
        for factor, weight in zip(self.groups[group].tolist(), self._weights[group].tolist(), strict=True):
            pairs.append((factor, rest // weight))
            rest %= weight
        return tuple(pairs)


class CoveringArray:
    """Covering arrays of one strength for one set of factors and constraints."""

    def __init__(self, sizes: Sequence[int], forbidden: Sequence[Cell], strength: int, seed: int = 1) -> None:
        self.rng = np.random.default_rng(seed)
        self.cells = Cells(sizes, strength)
        self.constraints = Constraints(sizes, forbidden, self.rng)
        self.possible = self._find_possible()

    def _find_possible(self) -> NDArray[np.bool_]:
        """Which cells occur in an allowed row: random rows settle nearly all of them, a search each of the others."""
        possible = np.zeros(self.cells.count, dtype=np.bool_)
        for _ in range(8 * prod(self.constraints.sizes[:3])):
            if (row := self.constraints.complete()) is not None:
                possible[self.cells.of(row)] = True
        for cell in np.flatnonzero(~possible).tolist():
            if not possible[cell] and (row := self.constraints.complete(self.cells.decode(cell))) is not None:
                possible[self.cells.of(row)] = True
        return possible

    def extend(self, rows: Sequence[Integers], attempts: int = 1, bodies: Sequence[Cell] = ()) -> list[Integers]:
        """The rows, and after them the rows that cover the rest; the shortest result of several attempts.

        With `bodies` every row has the values of one of them, and each of them is in a row. Raises `ValueError` where
        they leave something uncovered.
        """
        return min((self._extend(rows, bodies) for _ in range(attempts)), key=len)

    def _extend(self, rows: Sequence[Integers], bodies: Sequence[Cell]) -> list[Integers]:
        result, need = list(rows), self.possible.copy()
        for row in result:
            need[self.cells.of(row)] = False
        unused = [body for body in bodies if not any(all(row[i] == value for i, value in body) for row in rows)]
        while unused or need.any():
            begin = [unused.pop()] if unused else bodies or [()]
            row = self._climb(self._best_candidate(need, begin), need, {factor for factor, _ in begin[0]})
            if not need[self.cells.of(row)].any() and not unused:
                raise ValueError("nothing that is left to cover goes with these bodies")
            result.append(row)
            need[self.cells.of(row)] = False
        return result

    def _best_candidate(self, need: NDArray[np.bool_], begin: Sequence[Cell]) -> Integers:
        targets = self.rng.choice(np.flatnonzero(need), CANDIDATES).tolist() if need.any() else []
        cells = [(), *(self.cells.decode(target) for target in targets)]
        given = [{*cell, *body} for cell in cells for body in begin]
        # Two values of one factor are none.
        rows = [self.constraints.complete(tuple(it)) for it in given if len({factor for factor, _ in it}) == len(it)]
        return max(
            (row for row in rows if row is not None),
            key=lambda row: int(need[self.cells.of(row)].sum()),
        )

    def _climb(self, row: Integers, need: NDArray[np.bool_], fixed: Collection[int]) -> Integers:
        for factor in self.rng.permutation([it for it in range(len(row)) if it not in fixed]).tolist():
            groups = self.cells.groups_of[factor]
            best = int(need[self.cells.of(row, groups)].sum())
            for value in range(self.constraints.sizes[factor]):
                changed = row.copy()
                changed[factor] = value
                gain = int(need[self.cells.of(changed, groups)].sum())
                if gain > best and self.constraints.allow(changed, factor):
                    row, best = changed, gain
        return row
