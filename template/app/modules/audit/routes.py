from typing import Annotated
from uuid import UUID

from fastapi import Query

from app.core.routing import PrefixRouter
from app.infrastructure.database.errors import DatabaseBusyError, DatabaseUnreachableError
from app.modules.common.pagination import CursorPage, CursorQuery, cursor_page_of
from app.modules.common.problems import raises
from app.modules.user.dependencies import requires
from app.modules.user.errors import InsufficientScopeError, NotAuthenticatedError

from .dependencies import AuditLogDep, OwnEventsDep
from .errors import AuditEventNotFoundError
from .models import AuditEvent
from .permissions import READ_AUDIT
from .schemas import AuditEventRead, AuditQuery, OwnEventRead

_ERRORS = raises(
    NotAuthenticatedError, InsufficientScopeError, DatabaseBusyError, DatabaseUnreachableError
)

router = PrefixRouter(
    prefix="/audit/events",
    tags=["audit"],
    dependencies=[requires(READ_AUDIT)],
    responses=_ERRORS,
)
own_router = PrefixRouter(prefix="/users/me", tags=["users"], responses=_ERRORS)


@router.get("", response_model=CursorPage[AuditEventRead])
async def list_audit_events(
    audit: AuditLogDep, query: Annotated[AuditQuery, Query()]
) -> dict[str, object]:
    """Go through what happened, newest first; the reading is recorded as well.

    Send each answer's `next_cursor` for the next one, with the same filters.
    """
    return cursor_page_of(*await audit.scroll(query))


@router.get(
    "/{event_id:uuid}", response_model=AuditEventRead, responses=raises(AuditEventNotFoundError)
)
async def read_audit_event(audit: AuditLogDep, event_id: UUID) -> AuditEvent:
    """Read one event; the reading is recorded as well."""
    return await audit.get(event_id)


@own_router.get("/security-events", response_model=CursorPage[OwnEventRead])
async def list_own_security_events(
    events: OwnEventsDep, query: Annotated[CursorQuery, Query()]
) -> dict[str, object]:
    """Look through what happened to your account, newest first, for what you did not do.

    Send each answer's `next_cursor` for the next one.
    """
    return cursor_page_of(*await events.scroll(query))
