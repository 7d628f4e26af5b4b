from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Select,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.affected import affected
from app.infrastructure.database.upsert import upsert
from app.modules.common.crud import CRUD
from app.modules.common.listing import Listing, Rows
from app.modules.common.models import first_id_at

from .models import ApiKey, ApiKeyUsage, ApiKeyUsageDay, KeyTouch, KeyUse
from .schemas import ApiKeyRead, UsageRead

_table = ApiKey.__table__
_keys = _table.c
_days = ApiKeyUsageDay.__table__.c
_OF_USER = Listing(
    _table, ApiKeyRead, _keys.user_id == bindparam("user_id"), _keys.revoked_at.is_(None)
)
_USAGE = Listing(
    ApiKeyUsage.__table__, UsageRead, ApiKeyUsage.__table__.c.key_id == bindparam("key_id")
)
_CLIENT, _SERVER = HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR
# Use is no change: `updated_at` stays as it is.
_TOUCH = (
    update(ApiKey)
    .where(
        _keys.id == bindparam("key_id"),
        or_(_keys.last_used_at.is_(None), _keys.last_used_at < bindparam("at")),
    )
    .values(
        last_used_at=bindparam("at"),
        last_used_address=bindparam("address"),
        updated_at=_keys.updated_at,
    )
)
_REHASH = (
    update(ApiKey)
    .where(_keys.id == bindparam("key_id"))
    .values(key_hash=bindparam("hashed"), updated_at=_keys.updated_at)
)


class ApiKeyCRUD(CRUD[ApiKey]):
    model = ApiKey

    def select(self) -> Select[ApiKey]:
        """Revoked ones only stay so that it is noticed when somebody tries them."""
        return super().select().where(ApiKey.revoked_at.is_(None))

    async def get_owned(self, user_id: UUID, key_id: UUID) -> ApiKey | None:
        statement = self.select().where(ApiKey.user_id == user_id, ApiKey.id == key_id)
        return await self.session.scalar(statement)

    async def page_of(self, user_id: UUID, *, limit: int, offset: int) -> tuple[Rows, int]:
        values = {"user_id": user_id}
        return await _OF_USER.page(self.session, values, limit=limit, offset=offset)

    async def all_of(self, user_id: UUID) -> Sequence[ApiKey]:
        """Revoked ones too."""
        statement = select(ApiKey).where(ApiKey.user_id == user_id).order_by(ApiKey.id)
        return (await self.session.scalars(statement)).all()

    async def count_live(self, user_id: UUID, now: datetime) -> int:
        """Those that count towards the limit: one that was rotated has its successor for it."""
        statement = (
            select(func.count())
            .select_from(ApiKey)
            .where(
                ApiKey.user_id == user_id,
                ApiKey.revoked_at.is_(None),
                ApiKey.replaced_by_id.is_(None),
                or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
            )
        )
        return (await self.session.scalar(statement)) or 0

    async def replace(self, key_id: UUID, *, by: UUID, expires_at: datetime, now: datetime) -> bool:
        """Whether the key was live and had no successor; of two at once one wins."""
        statement = (
            update(ApiKey)
            .where(
                ApiKey.id == key_id,
                ApiKey.revoked_at.is_(None),
                ApiKey.replaced_by_id.is_(None),
                or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
            )
            .values(replaced_by_id=by, expires_at=expires_at)
            .returning(ApiKey.id)
        )
        return await self.session.scalar(statement) is not None

    async def revoke(
        self, user_id: UUID, *, now: datetime, only: UUID | None = None
    ) -> Sequence[UUID]:
        """Which keys of the user were not revoked before."""
        statement = update(ApiKey).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
        if only is not None:
            statement = statement.where(ApiKey.id == only)
        statement = statement.values(revoked_at=now)
        return (await self.session.scalars(statement.returning(ApiKey.id))).all()

    async def note_refusal(self, key_id: UUID, *, now: datetime, unless_after: datetime) -> bool:
        """Whether none was noted after that time; of many at once one wins."""
        statement = (
            update(ApiKey)
            .where(
                ApiKey.id == key_id,
                or_(ApiKey.refused_at.is_(None), ApiKey.refused_at <= unless_after),
            )
            .values(refused_at=now, updated_at=ApiKey.updated_at)
            .returning(ApiKey.id)
        )
        return await self.session.scalar(statement) is not None

    async def erase(self, user_id: UUID) -> None:
        """What was recorded of their use goes with them."""
        # In the order in which `store_uses` locks them, so that neither waits for the other.
        await self.session.execute(
            select(ApiKey.id).where(ApiKey.user_id == user_id).order_by(ApiKey.id).with_for_update()
        )
        await self.session.execute(delete(ApiKey).where(ApiKey.user_id == user_id))


class UsageCRUD(CRUD[ApiKeyUsage]):
    model = ApiKeyUsage

    async def scroll_of(
        self, key_id: UUID, *, last: UUID | None, limit: int
    ) -> tuple[Rows, UUID | None]:
        return await _USAGE.after(self.session, {"key_id": key_id}, last=last, limit=limit)

    async def all_of(self, key_id: UUID) -> Sequence[ApiKeyUsage]:
        statement = self.select().where(ApiKeyUsage.key_id == key_id).order_by(ApiKeyUsage.id)
        return (await self.session.scalars(statement)).all()

    async def days_of(self, key_id: UUID, since: date) -> Sequence[ApiKeyUsageDay]:
        """Newest first; days without use have no row."""
        statement = (
            select(ApiKeyUsageDay)
            .where(ApiKeyUsageDay.key_id == key_id, ApiKeyUsageDay.day >= since)
            .order_by(ApiKeyUsageDay.day.desc())
        )
        return (await self.session.scalars(statement)).all()

    async def purge(self, before: datetime) -> int:
        statement = delete(ApiKeyUsage).where(ApiKeyUsage.id < first_id_at(before))
        return await affected(self.session, statement)


async def store_uses(
    session: AsyncSession,
    touches: Mapping[UUID, KeyTouch],
    uses: Collection[KeyUse],
    *,
    has_records: bool,
) -> None:
    """Keys that are gone by now are skipped."""
    ids = {*touches, *(use.key_id for use in uses)}
    # Locked, so that none goes before its records are in; in order, so that two processes that
    # store at the same moment do not wait for each other.
    locked = select(_keys.id).where(_keys.id.in_(ids)).order_by(_keys.id)
    known = set(await session.scalars(locked.with_for_update(key_share=True)))
    touched = [(key_id, touch) for key_id, touch in touches.items() if key_id in known]
    uses = [use for use in uses if use.key_id in known]
    connection = await session.connection()
    if touched:
        await connection.execute(
            _TOUCH,
            [{"key_id": key_id, "at": it.at, "address": it.address} for key_id, it in touched],
        )
    if old := [{"key_id": key_id, "hashed": it.key_hash} for key_id, it in touched if it.key_hash]:
        await connection.execute(_REHASH, old)
    if uses and has_records:
        await connection.execute(insert(ApiKeyUsage), [use._asdict() for use in uses])
    if uses:
        statement = upsert(session, ApiKeyUsageDay.__table__)
        totals = {
            name: _days[name] + statement.excluded[name]
            for name in ("requests", "client_errors", "server_errors", "duration_ms")
        }
        statement = statement.on_conflict_do_update(
            index_elements=[_days.key_id, _days.day], set_=totals
        )
        await connection.execute(statement, _by_day(uses))


def _by_day(uses: Collection[KeyUse]) -> list[dict[str, Any]]:
    grouped: dict[tuple[UUID, date], list[KeyUse]] = defaultdict(list)
    for use in uses:
        grouped[use.key_id, use.at.astimezone(UTC).date()].append(use)
    return [
        {
            "key_id": key_id,
            "day": day,
            "requests": len(group),
            "client_errors": sum(_CLIENT <= it.status < _SERVER for it in group),
            "server_errors": sum(it.status >= _SERVER for it in group),
            "duration_ms": sum(it.duration_ms for it in group),
        }
        for (key_id, day), group in grouped.items()
    ]
