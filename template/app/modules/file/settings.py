from app.core.settings import SettingsGroup


class FileSettings(SettingsGroup):
    """Read from `FILE_*`."""
