from dataclasses import dataclass

FIELD = b"event"
"""Of an entry of a stream: holds the event as JSON."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a consumer has got from a stream."""

    id: str
    body: bytes
    attempt: int
    """1 for the first delivery."""
