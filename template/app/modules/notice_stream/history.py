"""The newest notices to one account, or to everybody, in their order."""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

EVERYBODY = "everybody"
"""The name of what goes to all; that of an account is its id in hexadecimal."""


class Entry(NamedTuple):
    id: str
    """`<milliseconds>-<number>`; those of one name only ever grow."""
    type: str
    """Empty for one that is no notice and only marks a place."""
    data: str

    @property
    def order(self) -> tuple[int, ...]:
        return tuple(map(int, self.id.split("-")))


class History(ABC):
    """A place in it is the id of an entry. As long as that one is there, so is all after it.

    What nobody has asked for in the time of retention is neither kept nor added to. `newest`,
    `after` and `all_of` raise `OutOfReachError`; the others never fail.
    """

    @abstractmethod
    async def newest(self, names: Sequence[str]) -> list[str]:
        """The place to begin at, for each name: whatever comes is added after it."""

    @abstractmethod
    async def after(self, places: Sequence[tuple[str, str]]) -> list[list[Entry] | None]:
        """What came after each name's place, or the beginning of it; None if the place is gone."""

    @abstractmethod
    async def all_of(self, name: str) -> list[Entry]: ...

    @abstractmethod
    async def append(self, name: str, kind: str, data: str) -> None:
        """And tell whoever listens `news:<name>`."""

    @abstractmethod
    async def drop(self, name: str) -> None:
        """Every place in it is gone; whoever listens is told."""

    @abstractmethod
    async def tell(self, message: str) -> None:
        """To all processes that listen, this one too."""

    @abstractmethod
    async def listen(self, hear: Callable[[str], None]) -> None:
        """Returns when messages are heard, or cannot be yet. Later calls are free."""

    @abstractmethod
    async def aclose(self) -> None: ...


@dataclass(slots=True)
class _Kept:
    entries: deque[Entry]
    until: float = field(default=0.0)


class MemoryHistory(History):
    """Of this process alone, and gone with it: for development and tests."""

    def __init__(
        self, *, length: int, retention_seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._length = length
        self._retention_seconds = retention_seconds
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._last = (0, 0)
        self._hear: Callable[[str], None] | None = None

    async def newest(self, names: Sequence[str]) -> list[str]:
        return [self._open(name).entries[-1].id for name in names]

    async def after(self, places: Sequence[tuple[str, str]]) -> list[list[Entry] | None]:
        return [self._after(name, place) for name, place in places]

    async def all_of(self, name: str) -> list[Entry]:
        self._expire()
        return list(self._kept[name].entries) if name in self._kept else []

    async def append(self, name: str, kind: str, data: str) -> None:
        self._expire()
        if name in self._kept:
            self._kept[name].entries.append(Entry(self._next_id(), kind, data))
            await self.tell(f"news:{name}")

    async def drop(self, name: str) -> None:
        self._kept.pop(name, None)
        await self.tell(f"news:{name}")

    async def tell(self, message: str) -> None:
        if self._hear is not None:
            self._hear(message)

    async def listen(self, hear: Callable[[str], None]) -> None:
        self._hear = hear

    async def aclose(self) -> None:
        self._hear = None

    def _after(self, name: str, place: str) -> list[Entry] | None:
        entries = list(self._open(name).entries)
        ids = [it.id for it in entries]
        return entries[ids.index(place) + 1 :] if place in ids else None

    def _open(self, name: str) -> _Kept:
        self._expire()
        if name not in self._kept:
            mark = Entry(self._next_id(), "", "")
            self._kept[name] = _Kept(deque([mark], maxlen=self._length))
        self._kept[name].until = self._clock() + self._retention_seconds
        return self._kept[name]

    def _expire(self) -> None:
        now = self._clock()
        for name in [name for name, kept in self._kept.items() if kept.until <= now]:
            del self._kept[name]

    def _next_id(self) -> str:
        last, number = self._last
        now = int(self._clock() * 1000)
        self._last = (now, 0) if now > last else (last, number + 1)
        return "{}-{}".format(*self._last)
