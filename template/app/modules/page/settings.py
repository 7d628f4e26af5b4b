from app.core.settings import SettingsGroup


class PageSettings(SettingsGroup):
    """Read from `PAGE_*`."""
