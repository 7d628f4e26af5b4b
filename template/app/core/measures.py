"""Numbers about the service.

A module counts where something happens, or shows what it knows when somebody asks. Whoever collects
them is no concern of it; while nobody does, nothing is kept.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from .feature import State

Collect = Callable[[float, tuple[str, ...]], None]

# From a quick one to the longest that is usual.
_SECONDS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)


class Instrument:
    """Named in lower case as `<what>` or `<what>_<unit>`; an entry of `Feature.extensions`.

    The values of `labels` are given with each number. They must be few: never an id, nor anything
    that a stranger can choose.
    """

    def __init__(self, name: str, description: str, *labels: str) -> None:
        self.name = name
        self.description = description
        self.labels = labels
        self._collectors: tuple[Collect, ...] = ()

    @contextmanager
    def collected(self, collect: Collect) -> Generator[None]:
        """Hand each number to it, with the values of the labels."""
        self._collectors += (collect,)
        try:
            yield
        finally:
            self._collectors = tuple(it for it in self._collectors if it is not collect)

    def _record(self, number: float, values: tuple[str, ...]) -> None:
        for collect in self._collectors:
            collect(number, values)


class Counter(Instrument):
    """How often something has happened: `ORDERS.add()`, `REFUSALS.add("too late")`."""

    def add(self, *values: str, by: float = 1) -> None:
        if self._collectors:
            self._record(by, values)


class Histogram(Instrument):
    """How large something was, how long it took: `DURATIONS.observe(1.5, "boil")`."""

    def __init__(
        self, name: str, description: str, *labels: str, buckets: tuple[float, ...] = _SECONDS
    ) -> None:
        super().__init__(name, description, *labels)
        self.buckets = buckets

    def observe(self, number: float, *values: str) -> None:
        if self._collectors:
            self._record(number, values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A number that a process knows at this moment."""

    name: str
    description: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    is_total: bool = False
    """Whether it only grows, from nothing at the start of the process."""

    @classmethod
    def totals(
        cls, name: str, description: str, label: str, counts: Mapping[str, int]
    ) -> "Iterable[Reading]":
        """One for each key of `counts`, which is the value of `label`."""
        # Copied at once: another thread may be counting.
        for key, count in dict(counts).items():
            yield cls(
                name=name,
                description=description,
                value=count,
                labels={label: key},
                is_total=True,
            )


class Measured(ABC):
    """Shows numbers that are there anyway; an entry of `Feature.extensions`."""

    @abstractmethod
    def readings(self, state: State) -> Iterable[Reading]:
        """Of this process. Called every second at most, and in another thread."""
