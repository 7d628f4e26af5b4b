from app.core.feature import Feature, commands_of, late_extension, late_router
from app.infrastructure.database.purge import Purge
from app.infrastructure.security.events import SecurityEventListener
from app.modules.user.privacy import PersonalData

from .permissions import READ_AUDIT
from .settings import AuditSettings


def feature(settings: AuditSettings) -> Feature:
    days = settings.retention_days
    purges = (late_extension(Purge, __package__, "retention.AuditPurge", days),) if days else ()
    return Feature(
        name="audit",
        routers=(
            late_router(__package__, "/audit/events"),
            late_router(__package__, "/users/me", "own_router"),
        ),
        commands={"audit": commands_of(__package__)},
        extensions=(
            READ_AUDIT,
            late_extension(SecurityEventListener, __package__, "recorder.AuditRecorder"),
            late_extension(PersonalData, __package__, "privacy.AuditData"),
            *purges,
        ),
    )
