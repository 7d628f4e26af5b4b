"""Keeps secrets out of log lines, whoever wrote them."""

import re
from collections.abc import Mapping
from functools import lru_cache

from structlog.typing import EventDict, WrappedLogger

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(
    r"passw|secret|token|authorization|cookie|api[-_]?key|credential|private[-_]?key", re.IGNORECASE
)
# scheme://name:password@host
_URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@")
# What Pydantic could not make sense of, up to the last thing that it says of it.
_INPUT = re.compile(r"\binput_value=.*, input_type=")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def clean(value: object) -> object:
    """Without what must not be told, however deep it is; the same shape."""
    if isinstance(value, str):
        if "://" in value:
            value = _URL_PASSWORD.sub(rf"\1:{REDACTED}@", value)
        if "input_value=" in value:
            value = _INPUT.sub(f"input_value={REDACTED}, input_type=", value)
        return _BEARER.sub(rf"\1 {REDACTED}", value)
    if isinstance(value, Mapping):
        return {
            key: REDACTED if _is_secret(str(key)) else clean(item) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """A structlog processor: masks values by their name, and what is secret inside texts."""
    return {key: REDACTED if _is_secret(key) else clean(item) for key, item in event.items()}
