"""What keeps secrets for the service: names and texts, as the environment has them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable


class StoreError(Exception):
    """Why a store has not given what it was asked for, in one line and without values."""

    def __init__(self, reason: object) -> None:
        super().__init__(" ".join(str(reason).split()))


class Store(ABC):
    place: str
    """The variable that names the store, and the name."""

    @abstractmethod
    def names(self) -> Iterable[str]:
        """All that is there, perhaps for other services. Raises `StoreError`."""

    @abstractmethod
    def value(self, name: str) -> str:
        """One of these. Raises `StoreError`."""
