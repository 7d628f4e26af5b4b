from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.infrastructure.security.events import SecurityEvent, SecurityEventListener

from .crud import AuditCRUD


class AuditRecorder(SecurityEventListener):
    """Stores every event in the transaction it happened in: no deed without its record.

    A record that cannot be stored undoes the deed.
    """

    async def receive(self, session: AsyncSession, event: SecurityEvent) -> None:
        await AuditCRUD(session).add(
            {
                "id": uuid7(),
                "at": event.at,
                "name": event.name,
                "is_warning": event.is_warning,
                "actor_id": event.actor_id,
                "target_id": event.target_id,
                "address": event.address,
                "user_agent": event.user_agent,
                "request_id": event.request_id,
                "details": dict(event.details),
            }
        )
