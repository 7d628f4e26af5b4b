from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from .errors import DomainError
from .extensions import Extensions


class OpenAPIExtension(ABC):
    """Adds to the API's description what FastAPI cannot know; an entry of `Feature.extensions`."""

    @abstractmethod
    def extend(self, document: dict[str, Any], extensions: Extensions) -> None:
        """Change the whole document in place."""


class EdgeErrors(ABC):
    """Errors that middleware answers with before a route is asked, for the description of the API.

    An entry of `Feature.extensions`.
    """

    headers: ClassVar[Mapping[str, str]] = {}
    """Those of the answers, and what they say."""

    @abstractmethod
    def of(self, endpoint: object) -> Sequence[type[DomainError]]:
        """Those that a route with this function can be refused with."""
