"""Events as they are stored, for tests that look for them."""

from datetime import UTC, datetime
from secrets import randbits
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.audit.models import AuditEvent


async def create_event(session: AsyncSession, **values: object) -> AuditEvent:
    """With an id of its time, which is now unless `at` says otherwise."""
    at = values.get("at") or datetime.now(UTC)
    assert isinstance(at, datetime)
    version, variant = 0x7 << 76, 0x2 << 62
    milliseconds = int(at.timestamp() * 1000) << 80
    defaults = {
        "id": UUID(int=milliseconds | version | variant | randbits(62)),
        "at": at,
        "name": "kettle_boiled",
        "is_warning": False,
        "details": {},
    }
    event = AuditEvent(**defaults | values)
    session.add(event)
    await session.commit()
    return event


async def stored(session: AsyncSession, name: str) -> list[AuditEvent]:
    """All events of a name, oldest first; other features record others beside them."""
    statement = select(AuditEvent).where(AuditEvent.name == name).order_by(AuditEvent.id)
    return list(await session.scalars(statement, execution_options={"populate_existing": True}))
