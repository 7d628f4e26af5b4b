from app.core.settings import SettingsGroup


class NoticeStreamSettings(SettingsGroup):
    """Read from `NOTICE_STREAM_*`."""
