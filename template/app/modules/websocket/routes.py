from time import perf_counter

import structlog
from fastapi import APIRouter, Depends, WebSocket

from app.modules.user.dependencies import CallerDep

from .authentication import SUBPROTOCOL
from .connection import Connection
from .conversation import Conversation
from .dependencies import RoomsDep, require_known_origin
from .schemas import Welcome

logger = structlog.get_logger()

router = APIRouter()


@router.websocket("/ws", dependencies=[Depends(require_known_origin)])
async def connect(socket: WebSocket, caller: CallerDep, rooms: RoomsDep) -> None:
    connection = Connection(socket, caller, rooms.settings)
    rooms.add(connection)
    started = perf_counter()
    code = None
    try:
        await rooms.listen()
        offered = socket.scope["subprotocols"]
        # Never the one with the token.
        await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        welcome = Welcome(connection_id=connection.id, user_id=caller.user.id)
        connection.send(welcome.model_dump_json())
        code = await connection.run(Conversation(connection, rooms).answer)
    finally:
        rooms.remove(connection)
        logger.info(
            "websocket closed",
            code=code,
            user_id=str(caller.user.id),
            duration_seconds=round(perf_counter() - started, 2),
        )
