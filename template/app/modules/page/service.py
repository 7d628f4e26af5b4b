from collections.abc import Sequence

import structlog

from app.core.feature import State

from .errors import FeedbackClosedError
from .extension import FeedbackReceiver
from .schemas import Feedback

logger = structlog.get_logger()


class FeedbackLog(FeedbackReceiver):
    """The stand-in of development: what strangers write has no place in a log that is kept."""

    async def receive(self, state: State, feedback: Feedback) -> None:  # noqa: ARG002
        logger.info("feedback", name=feedback.name, message=feedback.message)


class FeedbackService:
    """Hands feedback on; nothing is stored. Raises `FeedbackClosedError` if nobody is there."""

    def __init__(self, receivers: Sequence[FeedbackReceiver], state: State) -> None:
        if not receivers:
            raise FeedbackClosedError
        self._receivers = receivers
        self._state = state

    async def hand_on(self, feedback: Feedback) -> None:
        for receiver in self._receivers:
            await receiver.receive(self._state, feedback)
