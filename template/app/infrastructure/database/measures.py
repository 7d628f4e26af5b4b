from collections.abc import Iterable
from typing import cast

from app.core.feature import State
from app.core.measures import Measured, Reading

from .database import Database
from .pool import FairPool


class PoolMeasures(Measured):
    """Of the pools for reading and for writing, by the names that telemetry has for them."""

    def readings(self, state: State) -> Iterable[Reading]:
        database: Database = state["database"]
        for name, engine in (("read", database.read_engine), ("write", database.write_engine)):
            yield from _readings({"pool_name": name}, cast("FairPool", engine.pool))


def _readings(labels: dict[str, str], pool: FairPool) -> Iterable[Reading]:
    for state, count in (("used", pool.checkedout()), ("idle", pool.checkedin())):
        yield Reading(
            name="db_client_connections_usage",
            description="Connections that are open.",
            value=count,
            labels=labels | {"state": state},
        )
    yield Reading(
        name="db_client_connections_max",
        description="Connections that there may be.",
        value=pool.most,
        labels=labels,
    )
    yield Reading(
        name="db_client_connections_pending_requests",
        description="Sessions that wait for a connection.",
        value=pool.waiting,
        labels=labels,
    )
    yield Reading(
        name="db_client_connections_timeouts",
        description="Sessions that waited for a connection in vain.",
        value=pool.timeouts,
        labels=labels,
        is_total=True,
    )
