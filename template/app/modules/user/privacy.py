from abc import ABC, abstractmethod
from typing import ClassVar
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession


class PersonalData(ABC):
    """What a feature holds about a person; an entry of `Feature.extensions`."""

    name: ClassVar[str]
    """Its key in the export."""

    @abstractmethod
    async def export(self, session: AsyncSession, user_id: UUID) -> JsonValue:
        """Everything, without secrets: a copy for the person it is about."""

    @abstractmethod
    async def erase(self, session: AsyncSession, user_id: UUID) -> None:
        """Leave nothing that tells whose it was. Running twice must be harmless."""
