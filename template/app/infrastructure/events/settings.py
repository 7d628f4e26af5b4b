from app.core.settings import SettingsGroup


class EventsSettings(SettingsGroup):
    """Read from `EVENTS_*`."""
