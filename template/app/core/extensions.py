from collections.abc import Iterable
from typing import Any, TypeVar

Kind = TypeVar("Kind")


class Extensions:
    """What the features offer each other.

    One that can be extended defines a base class for it; another one lists an object of that class
    in its `Feature.extensions`. Neither of them imports the other, so each can be switched off.
    """

    def __init__(self, offered: Iterable[object] = ()) -> None:
        self._offered = tuple(offered)
        # Requests ask again and again.
        self._by_kind: dict[type, tuple[Any, ...]] = {}

    def of(self, kind: type[Kind]) -> tuple[Kind, ...]:
        """Those of one kind, in the order of the features."""
        if (found := self._by_kind.get(kind)) is None:
            found = tuple(item for item in self._offered if isinstance(item, kind))
            self._by_kind[kind] = found
        return found
