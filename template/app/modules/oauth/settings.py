from app.core.settings import SettingsGroup


class OAuthSettings(SettingsGroup):
    """Read from `OAUTH_*`."""
