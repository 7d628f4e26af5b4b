from collections.abc import AsyncGenerator
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.affected import affected
from app.modules.common.listing import Listing, Rows
from app.modules.common.models import first_id_at

from .models import AuditEvent
from .schemas import AuditEventRead, AuditQuery

_table = AuditEvent.__table__
_events = _table.c
# An id is made right after its event's time. A clock that was set back in between must not hide it.
_SLACK_MS = 60_000
_BATCH = 1000

# Looking at the id too lets every index, which has the id in it, serve a span of time.
_FILTERS = {
    "name": _events.name.in_(bindparam("name", expanding=True)),
    "actor_id": _events.actor_id == bindparam("actor_id"),
    "target_id": _events.target_id == bindparam("target_id"),
    "address": _events.address == bindparam("address"),
    "request_id": _events.request_id == bindparam("request_id"),
    "is_warning": _events.is_warning == bindparam("is_warning"),
    "since": and_(_events.at >= bindparam("since"), _events.id >= bindparam("since_id")),
    "until": and_(_events.at < bindparam("until"), _events.id <= bindparam("until_id")),
}


@cache
def _listing(filters: frozenset[str]) -> Listing:
    """One for each combination that a request can ask for."""
    return Listing(_table, AuditEventRead, *(_FILTERS[name] for name in sorted(filters)))


def filters_of(query: AuditQuery) -> dict[str, Any]:
    """What the query narrows down, by name."""
    given = query.model_dump(include=set(_FILTERS), exclude_none=True)
    return {name: value for name, value in given.items() if value != []}


class AuditCRUD:
    """Adds events and reads them. It cannot change one, but for `erase`."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def add(self, values: dict[str, Any]) -> None:
        await self.session.execute(insert(AuditEvent).values(values))

    async def get(self, event_id: UUID) -> AuditEvent | None:
        return await self.session.get(AuditEvent, event_id)

    async def scroll(self, query: AuditQuery) -> tuple[Rows, UUID | None]:
        """Newest first, and the key to go on with."""
        filters = filters_of(query)
        values = dict(filters)
        if "since" in filters:
            values["since_id"] = first_id_at(filters["since"], shift_ms=-_SLACK_MS)
        if "until" in filters:
            values["until_id"] = first_id_at(filters["until"], shift_ms=_SLACK_MS)
        listing = _listing(frozenset(filters))
        return await listing.after(self.session, values, last=query.after, limit=query.limit)

    async def scroll_about(
        self, user_id: UUID, *, last: UUID | None, limit: int
    ) -> tuple[Rows, UUID | None]:
        listing = _listing(frozenset({"target_id"}))
        return await listing.after(self.session, {"target_id": user_id}, last=last, limit=limit)

    async def all_of(self, user_id: UUID) -> Rows:
        """Everything by or about somebody, oldest first."""
        statement = select(_table).where(
            or_(_events.actor_id == user_id, _events.target_id == user_id)
        )
        result = await self.session.execute(statement.order_by(_events.id))
        return [dict(row) for row in result.mappings()]

    async def batches(self, since: datetime | None) -> AsyncGenerator[Rows]:
        """Everything, oldest first, without holding it all."""
        statement = select(_table).order_by(_events.id).limit(_BATCH)
        last = UUID(int=0)
        if since is not None:
            statement = statement.where(_events.at >= since)
            last = first_id_at(since, shift_ms=-_SLACK_MS)
        while True:
            result = await self.session.execute(statement.where(_events.id > last))
            rows = [dict(row) for row in result.mappings()]
            if not rows:
                return
            yield rows
            last = rows[-1]["id"]

    async def delete_before(self, at: datetime) -> int:
        statement = delete(AuditEvent).where(
            _events.at < at, _events.id <= first_id_at(at, shift_ms=_SLACK_MS)
        )
        return await affected(self.session, statement)

    async def erase(self, user_id: UUID) -> None:
        """Forget from where somebody came, and strangers who tried to be them."""
        by_a_stranger = and_(_events.target_id == user_id, _events.actor_id.is_(None))
        await self.session.execute(
            update(AuditEvent)
            .where(or_(_events.actor_id == user_id, by_a_stranger))
            .values(address=None, user_agent=None)
        )
