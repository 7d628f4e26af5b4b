"""What other features may have a say in."""

from abc import ABC, abstractmethod

from sqlalchemy.ext.asyncio import AsyncSession

from .models import User


class EmailChange(ABC):
    """Takes over what happens to a new e-mail address; an entry of `Feature.extensions`."""

    @abstractmethod
    async def request(self, session: AsyncSession, user: User, email: str) -> None:
        """Have the change confirmed; the account keeps its present address until then."""
