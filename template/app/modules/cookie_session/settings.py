from app.core.settings import SettingsGroup


class SessionSettings(SettingsGroup):
    """Read from `SESSION_*`."""
