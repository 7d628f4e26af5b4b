from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, TypeVar

Kind = TypeVar("Kind")


class LateExtension:
    """Stands for those that are made when one of their kinds is first asked for.

    See `late_extension`.
    """

    def __init__(self, kinds: tuple[type, ...], make: Callable[[], Iterable[object]]) -> None:
        self._kinds = kinds
        self._make = make

    def is_of(self, kind: type) -> bool:
        return any(issubclass(it, kind) for it in self._kinds)

    @cached_property
    def made(self) -> tuple[object, ...]:
        made = tuple(self._make())
        for item in made:
            for kind in self._kinds:
                if not isinstance(item, kind):
                    raise TypeError(f"{item!r} is announced as a {kind.__name__}")
        return made


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
            found = tuple(item for item in self._made_for(kind) if isinstance(item, kind))
            self._by_kind[kind] = found
        return found

    def _made_for(self, kind: type) -> Iterator[object]:
        for item in self._offered:
            if isinstance(item, LateExtension) and item.is_of(kind):
                yield from item.made
            else:
                yield item
