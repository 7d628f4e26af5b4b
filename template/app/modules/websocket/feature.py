from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, State
from app.infrastructure.http.settings import CorsSettings
from app.infrastructure.redis.clients import redis_clients_of

from .authentication import SubprotocolAuthenticator
from .fanout import Fanout
from .kinds import OwnRoom
from .logins import RoomLogins
from .openapi import MessagesSchema
from .routes import router
from .service import Rooms
from .settings import WebsocketSettings


@asynccontextmanager
async def open_rooms(state: State, settings: WebsocketSettings) -> AsyncGenerator[Rooms]:
    fanout = Fanout(redis_clients_of(state))
    rooms = Rooms(settings, state["extensions"], state["database"], fanout)
    try:
        async with rooms.watch.running(rooms):
            yield rooms
    finally:
        await rooms.aclose()


def feature(settings: WebsocketSettings, cors: CorsSettings) -> Feature:
    events = RoomLogins()

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        async with open_rooms(state, settings) as rooms:
            events.open(rooms)
            yield {"rooms": rooms, "websocket_origins": cors.origins}
            events.close()

    return Feature(
        name="websocket",
        routers=(router,),
        lifespan=lifespan,
        extensions=(OwnRoom(), SubprotocolAuthenticator(), events, MessagesSchema()),
        server_options={
            "ws_max_size": settings.max_message_bytes,
            "ws_ping_interval": settings.heartbeat_seconds,
            "ws_ping_timeout": settings.heartbeat_seconds,
        },
    )
