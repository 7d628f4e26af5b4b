from app.core.settings import SettingsGroup


class CacheSettings(SettingsGroup):
    """Read from `CACHE_*`."""
