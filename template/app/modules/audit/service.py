from typing import Any
from uuid import UUID

from app.infrastructure.database.database import Database
from app.infrastructure.security.events import SecurityEvents
from app.modules.common.listing import Rows
from app.modules.common.pagination import CursorQuery

from .crud import AuditCRUD, filters_of
from .errors import AuditEventNotFoundError
from .models import AuditEvent
from .schemas import AuditQuery, OwnEventRead


class OwnEvents:
    """What happened to one account, for whoever it belongs to."""

    def __init__(self, events: AuditCRUD, user_id: UUID) -> None:
        self.events = events
        self.user_id = user_id

    async def scroll(self, query: CursorQuery) -> tuple[list[OwnEventRead], UUID | None]:
        rows, last = await self.events.scroll_about(
            self.user_id, last=query.after, limit=query.limit
        )
        return [self._seen(row) for row in rows], last

    async def everything(self) -> list[OwnEventRead]:
        """Also what was done to others: without saying to whom."""
        return [self._seen(row) for row in await self.events.all_of(self.user_id)]

    def _seen(self, row: dict[str, Any]) -> OwnEventRead:
        is_own = row["actor_id"] == self.user_id
        hidden = {} if is_own else {"address": None, "user_agent": None}
        return OwnEventRead.model_validate({**row, **hidden, "is_by_you": is_own})


class AuditLog:
    """Everything that happened.

    Whoever looks is recorded too, in a transaction of its own, as what reads cannot write. If that
    fails, so does the request: nobody reads unseen.
    """

    def __init__(self, database: Database, events: SecurityEvents) -> None:
        self.database = database
        self.events = events

    async def get(self, event_id: UUID) -> AuditEvent:
        async with self.database.reading() as session:
            event = await AuditCRUD(session).get(event_id)
        if event is None:
            raise AuditEventNotFoundError(event_id)
        await self._record_reading("id", about=str(event_id))
        return event

    async def scroll(self, query: AuditQuery) -> tuple[Rows, UUID | None]:
        async with self.database.reading() as session:
            found = await AuditCRUD(session).scroll(query)
        filters = filters_of(query)
        about = [str(filters[name]) for name in ("actor_id", "target_id") if name in filters]
        await self._record_reading(*sorted(filters), about=" ".join(about))
        return found

    async def _record_reading(self, *filters: str, about: str) -> None:
        async with self.database.transaction() as session:
            await self.events.record(
                session, "audit_events_read", None, filters=" ".join(filters), about=about
            )
