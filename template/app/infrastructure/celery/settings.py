from app.core.settings import SettingsGroup


class CelerySettings(SettingsGroup):
    """Read from `CELERY_*`."""
