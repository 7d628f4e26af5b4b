from app.core.settings import SettingsGroup


class IdempotencySettings(SettingsGroup):
    """Read from `IDEMPOTENCY_*`."""
