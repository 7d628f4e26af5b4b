"""What other features can add: entries of their `Feature.extensions`."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from app.core.feature import State

from .schemas import Feedback


@dataclass(frozen=True, slots=True)
class PageFolder:
    """A folder with `templates/` and `static/` in it, or one of them.

    A later feature's file counts instead of an earlier one's of the same name, so yours replace
    those of the template: `home.html`, `base.html`, `site.css`.
    """

    path: Path


@dataclass(frozen=True, slots=True)
class PageLink:
    """Shown at the head of every page, and with its text on the home page."""

    label: str
    path: str
    text: str


class FeedbackReceiver(ABC):
    """Is given what visitors write; without one there is no form where the service is deployed."""

    @abstractmethod
    async def receive(self, state: State, feedback: Feedback) -> None:
        """`state` is what the features opened. What is raised here the visitor is told of."""
