from app.core.settings import SettingsGroup


class WebsocketSettings(SettingsGroup):
    """Read from `WEBSOCKET_*`."""
