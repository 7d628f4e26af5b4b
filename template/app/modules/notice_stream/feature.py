from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, State, commands_of, late_router
from app.infrastructure.redis.clients import redis_clients_of
from app.infrastructure.serving.stopping import stopping_of

from .history import History, MemoryHistory
from .logins import StreamLogins
from .measures import StreamMeasures
from .openapi import NoticesSchema
from .privacy import NoticesData
from .redis_history import RedisHistory
from .schemas import Announcement, NoticeKind, Reset
from .service import NoticeStreams
from .settings import NoticeStreamSettings


def open_history(state: State, settings: NoticeStreamSettings) -> History:
    clients = redis_clients_of(state)
    redis = clients.of()
    length, retention_seconds = settings.history_length, settings.retention_seconds
    if redis is None:
        return MemoryHistory(length=length, retention_seconds=retention_seconds)
    return RedisHistory(redis, clients, length=length, retention_seconds=retention_seconds)


@asynccontextmanager
async def open_streams(
    state: State, settings: NoticeStreamSettings
) -> AsyncGenerator[NoticeStreams]:
    streams = NoticeStreams(settings, open_history(state, settings), state["database"])
    try:
        with stopping_of(state).telling(streams.end_all):
            async with streams.watch.running(streams):
                yield streams
    finally:
        await streams.aclose()


def feature(settings: NoticeStreamSettings) -> Feature:
    events, data = StreamLogins(), NoticesData()

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        async with open_streams(state, settings) as streams:
            events.open(streams)
            data.open(streams.history)
            yield {"notice_streams": streams}
            data.close()
            events.close()

    return Feature(
        name="notice_stream",
        routers=(late_router(__package__, "/notices"),),
        lifespan=lifespan,
        extensions=(
            events,
            data,
            NoticeKind(Reset),
            NoticeKind(Announcement),
            NoticesSchema(),
            StreamMeasures(),
        ),
        commands={"notices": commands_of(__package__)},
    )
