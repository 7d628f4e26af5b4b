import json
from functools import partial
from typing import ClassVar
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.after_commit import after_commit
from app.infrastructure.redis.outage import OutOfReachError
from app.modules.user.privacy import PersonalData

from .history import History


class NoticesData(PersonalData):
    """Those that are kept for clients which are away."""

    name: ClassVar[str] = "notices"

    def __init__(self) -> None:
        self._history: History | None = None

    def open(self, history: History) -> None:
        self._history = history

    def close(self) -> None:
        self._history = None

    async def export(self, session: AsyncSession, user_id: UUID) -> JsonValue:  # noqa: ARG002
        """None if the store is out of reach: they only repeat what was told, for a day."""
        if self._history is None:
            return None
        try:
            entries = await self._history.all_of(user_id.hex)
        except OutOfReachError:
            return None
        return [json.loads(it.data) for it in entries if it.type]

    async def erase(self, session: AsyncSession, user_id: UUID) -> None:
        if self._history is not None:
            after_commit(session, partial(self._history.drop, user_id.hex))
