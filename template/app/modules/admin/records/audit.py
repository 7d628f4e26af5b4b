from app.modules.admin.extension import AdminView
from app.modules.audit.models import AuditEvent
from app.modules.audit.permissions import READ_AUDIT

VIEWS = (
    AdminView(
        model=AuditEvent,
        name="Audit event",
        plural="Audit events",
        icon="fa-solid fa-shoe-prints",
        columns=("at", "name", "is_warning", "address", "actor_id", "target_id"),
        details=("details", "id", "user_agent", "request_id"),
        searched=("name", "address"),
        read=READ_AUDIT,
    ),
)
