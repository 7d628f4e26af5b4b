from collections.abc import Iterable
from operator import attrgetter
from typing import TYPE_CHECKING

from app.core.feature import State
from app.core.late import Late
from app.core.measures import Measured, Reading

if TYPE_CHECKING:
    from .clients import HttpClients

_TOTALS = (
    ("requests", "upstream_requests", "Calls, whatever became of them."),
    ("retries", "upstream_retries", "Requests that were sent again."),
    ("failures", "upstream_failures", "Calls that ended with an error."),
    ("openings", "upstream_circuit_openings", "Times that the circuit opened."),
)


class UpstreamMeasures(Measured):
    def readings(self, state: State) -> Iterable[Reading]:
        clients: Late[HttpClients] = state["http_clients"]
        counters = {} if clients.made is None else clients.made.counters
        for field, name, description in _TOTALS:
            counts = {upstream: attrgetter(field)(of) for upstream, of in counters.items()}
            yield from Reading.totals(name, description, "upstream", counts)
        for upstream, of in counters.items():
            yield Reading(
                name="upstream_circuit_open",
                description="1 while nothing is sent, but for one request that tries.",
                value=of.is_open,
                labels={"upstream": upstream},
            )
