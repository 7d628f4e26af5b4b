from app.core.settings import SettingsGroup


class HttpClientSettings(SettingsGroup):
    """Read from `HTTP_CLIENT_*`."""
