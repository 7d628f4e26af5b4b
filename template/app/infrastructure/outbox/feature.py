from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from app.core.feature import Feature, ReadinessCheck, State, commands_of
from app.infrastructure.celery.queue import task_queue_of

from .errors import OutboxStuckError
from .relay import OutboxDispatcher, Relay, relay_of
from .settings import OutboxSettings
from .store import waiting_since


def feature(settings: OutboxSettings) -> Feature:
    dispatcher = OutboxDispatcher()

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        relay = Relay(state["database"], task_queue_of(state), settings)
        dispatcher.open(relay)
        try:
            yield {"outbox_relay": relay}
        finally:
            dispatcher.close()

    async def check(state: State) -> None:
        if _is_inline(state):
            return
        async with state["database"].reading() as session:
            since = await waiting_since(session)
        if since is None:
            return
        seconds = (datetime.now(UTC) - since).total_seconds()
        if seconds > settings.stuck_after_seconds:
            raise OutboxStuckError(seconds)

    return Feature(
        name="outbox",
        lifespan=lifespan,
        serving=_serving,
        extensions=(dispatcher,),
        readiness=(ReadinessCheck(name="outbox", check=check, is_required=False),),
        commands={"outbox": commands_of(__package__, settings)},
    )


@asynccontextmanager
async def _serving(state: State) -> AsyncGenerator[None]:
    if _is_inline(state):
        yield
        return
    async with relay_of(state).running():
        yield


def _is_inline(state: State) -> bool:
    """Whether each request waits for its tasks, so that nothing is left to others."""
    return task_queue_of(state).sender.is_inline
