from app.core.settings import SettingsGroup


class RateLimitSettings(SettingsGroup):
    """Read from `RATE_LIMIT_*`."""
