from collections.abc import Collection
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.infrastructure.http.origins import is_from_us

from .errors import UnknownOriginError
from .service import Rooms


def rooms_of(connection: HTTPConnection) -> Rooms:
    return cast("Rooms", connection.state.rooms)


async def get_rooms(connection: HTTPConnection) -> Rooms:
    return rooms_of(connection)


RoomsDep = Annotated[Rooms, Depends(get_rooms)]
"""For every route that has something to tell those who are connected."""


async def require_known_origin(connection: HTTPConnection) -> None:
    """A page of any site may open a WebSocket; no preflight asks before.

    Credentials that browsers send by themselves check this too, and more strictly.
    """
    origins = cast("Collection[str]", connection.state.websocket_origins)
    if "*" not in origins and not is_from_us(connection, origins):
        raise UnknownOriginError
