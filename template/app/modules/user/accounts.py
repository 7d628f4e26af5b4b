"""What other features may have a say in."""

from abc import ABC, abstractmethod
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.throttle.service import Throttle

from .models import User


class EmailChange(ABC):
    """Takes over what happens to a new e-mail address; an entry of `Feature.extensions`."""

    @abstractmethod
    async def admit(self, throttle: Throttle, user_id: UUID, email: str) -> None:
        """Count it against a limit, if there is one, before the request's session is used.

        Raises `TooManyAttemptsError`.
        """

    @abstractmethod
    async def request(self, session: AsyncSession, user: User, email: str) -> None:
        """Have the change confirmed; the account keeps its present address until then."""
