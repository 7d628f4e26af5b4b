"""What the process asks others for and does for others, seen by whoever follows a request."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field

from .extensions import Extensions

Attributes = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    """One of a few: what differs each time is among the attributes."""
    attributes: Attributes = field(default_factory=dict)
    """By the names of the semantic conventions for telemetry; nothing secret or personal."""


class Observation(ABC):
    """An operation that has begun."""

    @property
    @abstractmethod
    def carried(self) -> Mapping[str, str]:
        """What goes along with it to whoever does it, named as HTTP headers."""

    @abstractmethod
    def end(self, error: str | None = None, attributes: Attributes | None = None) -> None:
        """`error`: the class of what went wrong, or a status."""


class OperationObserver(ABC):
    """Sees operations; an entry of `Feature.extensions`. Its methods must not raise."""

    @abstractmethod
    def begin(self, operation: Operation) -> Observation | None:
        """The process is about to ask another one; `None`: it need not be told of the end."""

    @abstractmethod
    def carried(self) -> Mapping[str, str]:
        """What a message says about the work in which it is sent, for `resumed`."""

    @abstractmethod
    def resumed(
        self, operation: Operation, carried: Mapping[str, str]
    ) -> AbstractContextManager[None]:
        """The block does what a message asks for, and with it continues what sent the message.

        What was under way before goes on after it.
        """


class Operations:
    """Tells all observers."""

    def __init__(self, extensions: Extensions) -> None:
        self._observers = extensions.of(OperationObserver)

    def __bool__(self) -> bool:
        """Whether anybody wants to know."""
        return bool(self._observers)

    def begin(self, operation: Operation) -> Observation | None:
        begun = [
            observation
            for observer in self._observers
            if (observation := observer.begin(operation)) is not None
        ]
        return _Observations(begun) if begun else None

    @contextmanager
    def observed(self, operation: Operation) -> Generator[None]:
        """The block is the operation."""
        observation = self.begin(operation)
        if observation is None:
            yield
            return
        try:
            yield
        except BaseException as exc:
            observation.end(type(exc).__name__)
            raise
        observation.end()

    def carried(self) -> dict[str, str]:
        return {name: value for it in self._observers for name, value in it.carried().items()}

    @contextmanager
    def resumed(self, operation: Operation, carried: Mapping[str, str]) -> Generator[None]:
        with ExitStack() as stack:
            for observer in self._observers:
                stack.enter_context(observer.resumed(operation, carried))
            yield


class _Observations(Observation):
    def __init__(self, begun: list[Observation]) -> None:
        self._begun = begun

    @property
    def carried(self) -> Mapping[str, str]:
        return {name: value for it in self._begun for name, value in it.carried.items()}

    def end(self, error: str | None = None, attributes: Attributes | None = None) -> None:
        for observation in self._begun:
            observation.end(error, attributes)
