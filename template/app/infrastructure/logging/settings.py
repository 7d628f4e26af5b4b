from enum import StrEnum

from app.core.settings import SettingsGroup


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @classmethod
    def _missing_(cls, value: object) -> "LogLevel | None":
        if isinstance(value, str) and value != value.lower():
            return cls(value.lower())
        return None


class LogFormat(StrEnum):
    CONSOLE = "console"
    JSON = "json"


class LogSettings(SettingsGroup):
    """Read from `LOG_*`."""

    level: LogLevel = LogLevel.INFO
    format: LogFormat | None = None
    """`json` for machines, `console` for people; unset: json where deployed, else console."""
