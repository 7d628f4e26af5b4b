from app.core.settings import SettingsGroup


class ApiKeySettings(SettingsGroup):
    """Read from `API_KEY_*`."""
