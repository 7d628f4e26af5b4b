from app.core.settings import SettingsGroup


class AuditSettings(SettingsGroup):
    """Read from `AUDIT_*`."""
