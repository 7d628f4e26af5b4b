from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, delete, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.infrastructure.database.affected import affected
from app.infrastructure.database.upsert import upsert

from .models import IdempotencyKey

_table = IdempotencyKey.__table__
_keys = _table.c


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer the first request with a key; another claim ends it."""

    record_id: UUID
    token: UUID


def _is_free(now: datetime) -> ColumnElement[bool]:
    """Its time is over, or whoever ran the request has not been heard of."""
    abandoned = and_(_keys.status.is_(None), _keys.claimed_until <= now)
    return or_(_keys.expires_at <= now, abandoned)


def _taken(user_id: UUID, key_digest: str, now: datetime) -> Select[IdempotencyKey]:
    return select(IdempotencyKey).where(
        _keys.user_id == user_id, _keys.key_digest == key_digest, not_(_is_free(now))
    )


class IdempotencyCRUD:
    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def find(self, user_id: UUID, key_digest: str, now: datetime) -> IdempotencyKey | None:
        """The record of a key that is not free."""
        return await self.session.scalar(_taken(user_id, key_digest, now))

    async def claim(self, now: datetime, values: dict[str, Any]) -> Claim | IdempotencyKey:
        """Take a key that nobody has, or that is free; else the record that stands in the way.

        One statement, so that of two requests at the same moment one runs.
        """
        token = uuid7()
        fresh = values | {"claim": token, "status": None, "sealed_response": None}
        insert = upsert(self.session, _table).values(id=uuid7(), **fresh)
        statement = insert.on_conflict_do_update(
            index_elements=[_keys.user_id, _keys.key_digest], set_=fresh, where=_is_free(now)
        )
        record_id = await self.session.scalar(statement.returning(_keys.id))
        if record_id is not None:
            return Claim(record_id, token)
        # The conflict has locked it, so that it is still there.
        taken = _taken(values["user_id"], values["key_digest"], now)
        return (await self.session.scalars(taken)).one()

    async def complete(self, claim: Claim, values: dict[str, Any]) -> bool:
        """Whether the claim still held."""
        statement = update(IdempotencyKey).where(_held_by(claim)).values(values)
        return await affected(self.session, statement) == 1

    async def release(self, claim: Claim) -> None:
        """Forget a request that was undone, unless it was not."""
        unanswered = _keys.status.is_(None)
        await self.session.execute(delete(IdempotencyKey).where(_held_by(claim), unanswered))

    async def all_of(self, user_id: UUID) -> Sequence[IdempotencyKey]:
        statement = select(IdempotencyKey).where(_keys.user_id == user_id).order_by(_keys.id)
        return (await self.session.scalars(statement)).all()

    async def remove(self, user_id: UUID) -> None:
        await self.session.execute(delete(IdempotencyKey).where(_keys.user_id == user_id))

    async def purge(self, now: datetime) -> int:
        return await affected(self.session, delete(IdempotencyKey).where(_keys.expires_at <= now))


def _held_by(claim: Claim) -> ColumnElement[bool]:
    return and_(_keys.id == claim.record_id, _keys.claim == claim.token)
