from typing import Annotated

from fastapi import Depends

from app.infrastructure.database.session import DatabaseDep, ReadSessionDep
from app.infrastructure.security.dependencies import SecurityEventsDep
from app.modules.user.dependencies import CurrentUserDep

from .crud import AuditCRUD
from .service import AuditLog, OwnEvents


async def get_audit_log(database: DatabaseDep, events: SecurityEventsDep) -> AuditLog:
    return AuditLog(database, events)


async def get_own_events(user: CurrentUserDep, session: ReadSessionDep) -> OwnEvents:
    return OwnEvents(AuditCRUD(session), user.id)


AuditLogDep = Annotated[AuditLog, Depends(get_audit_log)]
OwnEventsDep = Annotated[OwnEvents, Depends(get_own_events)]
