"""What is made when it is first asked for, because most requests or processes do without it."""

from collections.abc import Callable
from typing import Generic, TypeVar

Made = TypeVar("Made")


class Late(Generic[Made]):
    """Call it to get the one thing that `make` makes."""

    def __init__(self, make: Callable[[], Made]) -> None:
        self._make = make
        self.made: Made | None = None
        """None: nobody has asked yet."""

    def __call__(self) -> Made:
        if self.made is None:
            self.made = self._make()
        return self.made
