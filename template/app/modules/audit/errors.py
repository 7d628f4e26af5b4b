from uuid import UUID

from app.core.errors import NotFoundError


class AuditEventNotFoundError(NotFoundError):
    code = "audit.event_not_found"
    title = "Event not found"

    def __init__(self, event_id: UUID) -> None:
        super().__init__(f"No event has the id {event_id}; old ones are deleted.")
