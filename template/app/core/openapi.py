from abc import ABC, abstractmethod
from typing import Any

from .extensions import Extensions


class OpenAPIExtension(ABC):
    """Adds to the API's description what FastAPI cannot know; an entry of `Feature.extensions`."""

    @abstractmethod
    def extend(self, document: dict[str, Any], extensions: Extensions) -> None:
        """Change the whole document in place."""
