import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from random import uniform
from typing import NamedTuple

from app.infrastructure.redis.outage import RETRY_SECONDS, OutOfReachError
from app.infrastructure.timing.waiting import happens_within
from app.modules.user.authentication import Caller

from .history import EVERYBODY, Entry, History
from .schemas import Reset

_ID = r"\d{1,20}-\d{1,20}"
_PLACE = re.compile(rf"({_ID})_({_ID})", re.ASCII)


class Place(NamedTuple):
    """How far a client has got, in what goes to it alone and in what goes to everybody."""

    own: str
    everybody: str

    def __str__(self) -> str:
        return f"{self.own}_{self.everybody}"

    @classmethod
    def parse(cls, text: str) -> "Place | None":
        found = _PLACE.fullmatch(text)
        return None if found is None else cls(*found.groups())


@dataclass(frozen=True, slots=True)
class Item:
    """Without a type it is no notice: it only tells the client its place."""

    id: str
    type: str | None = None
    data: str | None = None


class Stream:
    """The notices to one client, who has seen what came before `last_id`.

    It holds its place and nothing else: what comes is read when the client takes it. So a slow one
    costs nothing, and if it falls behind by more than what is kept, it is told so.
    """

    def __init__(self, caller: Caller, history: History, last_id: str | None) -> None:
        self.caller = caller
        self.names = (caller.user.id.hex, EVERYBODY)
        self._history = history
        self._place = None if last_id is None else Place.parse(last_id)
        self._is_lost = last_id is not None and self._place is None
        self._news = asyncio.Event()
        self._is_over = False

    def wake(self) -> None:
        """There may be something to read."""
        self._news.set()

    def end(self) -> None:
        """After what is being sent; the client knows its place."""
        self._is_over = True
        self._news.set()

    async def items(self) -> AsyncGenerator[Item]:
        """Until somebody ends it."""
        while not self._is_over:
            # Before it is read, so that what comes meanwhile is not slept through.
            self._news.clear()
            try:
                items = await self._read()
            except OutOfReachError:
                seconds = RETRY_SECONDS * uniform(1, 1.5)  # noqa: S311 (not a secret)
                await happens_within(self._news, seconds)
                continue
            for item in items:
                if self._is_over:
                    return
                yield item
            if not items and not self._is_over:
                await self._news.wait()

    async def _read(self) -> list[Item]:
        if self._place is not None:
            found = await self._history.after(list(zip(self.names, self._place, strict=True)))
            own, everybody = found
            if own is not None and everybody is not None:
                return self._advance(self._place, own, everybody)
            self._is_lost, self._place = True, None
        self._place = Place(*await self._history.newest(self.names))
        if not self._is_lost:
            return [Item(str(self._place))]
        self._is_lost = False
        reset = Reset()
        return [Item(str(self._place), reset.type, reset.model_dump_json())]

    def _advance(
        self, place: Place, own: Sequence[Entry], everybody: Sequence[Entry]
    ) -> list[Item]:
        """Both in one order, each with the place after it."""
        steps = [("own", it) for it in own] + [("everybody", it) for it in everybody]
        items = []
        for whose, entry in sorted(steps, key=lambda step: step[1].order):
            place = place._replace(**{whose: entry.id})
            items.append(Item(str(place), entry.type or None, entry.data or None))
        self._place = place
        return items
