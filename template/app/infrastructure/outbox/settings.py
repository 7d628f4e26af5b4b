from app.core.settings import SettingsGroup


class OutboxSettings(SettingsGroup):
    """Read from `OUTBOX_*`."""
