from app.core.settings import SettingsGroup


class WebhookSettings(SettingsGroup):
    """Read from `WEBHOOK_*`."""
