from app.core.settings import SettingsGroup


class StorageSettings(SettingsGroup):
    """Read from `STORAGE_*`."""
