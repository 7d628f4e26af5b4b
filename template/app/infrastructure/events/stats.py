from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class EventStats:
    """What this process has seen since its start."""

    handled: Counter[str] = field(default_factory=Counter)
    """By handler."""
    failed: Counter[str] = field(default_factory=Counter)
    """By handler; each attempt counts."""
    sent: Counter[str] = field(default_factory=Counter)
    """To other services, by name of the event."""
    lost: Counter[str] = field(default_factory=Counter)
    """Neither sent nor handled, by name of the event."""
    dead: Counter[str] = field(default_factory=Counter)
    """Given up by a consumer, by stream."""
