from collections.abc import Iterable
from typing import cast

from app.core.feature import State
from app.core.measures import Measured, Reading

from .database import Database
from .pool import FairPool

# As OpenTelemetry calls them (semantic conventions for database client metrics).
_POOL = "db_client_connection_pool_name"
_STATE = "db_client_connection_state"


class PoolMeasures(Measured):
    """Of the pools for reading and for writing."""

    def readings(self, state: State) -> Iterable[Reading]:
        database: Database = state["database"]
        for name, engine in (("read", database.read_engine), ("write", database.write_engine)):
            yield from _readings({_POOL: name}, cast("FairPool", engine.pool))


def _readings(labels: dict[str, str], pool: FairPool) -> Iterable[Reading]:
    for state, count in (("used", pool.checkedout()), ("idle", pool.checkedin())):
        yield Reading(
            name="db_client_connection_count",
            description="Connections that are open.",
            value=count,
            labels=labels | {_STATE: state},
        )
    yield Reading(
        name="db_client_connection_max",
        description="Connections that there may be.",
        value=pool.most,
        labels=labels,
    )
    yield Reading(
        name="db_client_connection_pending_requests",
        description="Sessions that wait for a connection.",
        value=pool.waiting,
        labels=labels,
    )
    yield Reading(
        name="db_client_connection_timeouts",
        description="Sessions that waited for a connection in vain.",
        value=pool.timeouts,
        labels=labels,
        is_total=True,
    )
