from collections.abc import Iterable

from app.core.feature import State
from app.core.measures import Measured, Reading

from .bus import event_bus_of


class EventMeasures(Measured):
    def readings(self, state: State) -> Iterable[Reading]:
        stats = event_bus_of(state).stats
        for name, description, label, counts in (
            ("events_handled", "Events that a handler is done with.", "handler", stats.handled),
            ("events_failed", "Attempts of a handler that failed.", "handler", stats.failed),
            ("events_sent", "Events that were told to other services.", "event", stats.sent),
            ("events_lost", "Events that nobody was told of.", "event", stats.lost),
            ("events_dead", "Events that a consumer has given up.", "stream", stats.dead),
        ):
            yield from Reading.totals(name, description, label, counts)
