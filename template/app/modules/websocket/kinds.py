"""Which rooms there are, and who may be in them."""

from abc import ABC, abstractmethod
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.user.authentication import Caller


class RoomKind(ABC):
    """Rooms named `<name>:<key>`; an entry of `Feature.extensions`.

    A room needs no making: it exists while somebody is in it, and `may_join` says for which keys.
    Nothing that was sent is kept.
    """

    name: ClassVar[str]
    """Lower-case letters and underscores."""
    accepts: ClassVar[type[BaseModel] | None] = None
    """What those in the room may publish; absent: the service alone sends."""

    @abstractmethod
    async def may_join(self, session: AsyncSession, caller: Caller, key: str) -> bool:
        """Asked at the door, again after each security event of the account, and by `Rooms.review`.

        The session reads, and takes a connection only if it is used.
        """

    async def may_publish(
        self,
        session: AsyncSession,  # noqa: ARG002 (for kinds that look)
        caller: Caller,  # noqa: ARG002 (as above)
        key: str,  # noqa: ARG002 (as above)
    ) -> bool:
        """Asked for every message of somebody in the room."""
        return True


class OwnRoom(RoomKind):
    """`user:<id>`, for what the service tells one person, on whatever devices they have open."""

    name: ClassVar[str] = "user"

    async def may_join(self, session: AsyncSession, caller: Caller, key: str) -> bool:  # noqa: ARG002
        return key == str(caller.user.id)


def own_room(user_id: UUID) -> str:
    return f"{OwnRoom.name}:{user_id}"
