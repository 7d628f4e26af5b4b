from app.core.feature import Feature, commands_of

from .permissions import READ_AUDIT
from .privacy import AuditData
from .recorder import AuditRecorder
from .retention import AuditPurge
from .routes import own_router, router
from .settings import AuditSettings


def feature(settings: AuditSettings) -> Feature:
    purges = (AuditPurge(settings.retention_days),) if settings.retention_days else ()
    return Feature(
        name="audit",
        routers=(router, own_router),
        commands={"audit": commands_of(__package__)},
        extensions=(READ_AUDIT, AuditRecorder(), AuditData(), *purges),
    )
