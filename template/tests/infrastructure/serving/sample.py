"""A service in a process of its own: `python -m tests.infrastructure.serving.sample PORT`.

Its settings come from the environment, as in production.
"""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from fastapi import APIRouter, Request, WebSocket
from fastapi.responses import StreamingResponse

from app.bootstrap.factory import create_app
from app.bootstrap.settings import load_settings
from app.core.feature import Feature, State
from app.infrastructure.logging.setup import configure_logging
from app.infrastructure.serving import feature as serving
from app.infrastructure.serving.server import run
from app.infrastructure.serving.stopping import Stopping, stopping_of
from app.infrastructure.serving.supervisor import inherited_sockets
from app.modules.health import feature as health

logger = structlog.get_logger()
settings = load_settings()
router = APIRouter()


@router.get("/pid")
async def pid() -> int:
    return os.getpid()


@router.get("/waiting")
async def wait_for(path: Path) -> int:
    """Answers once the file is there; makes another one to say that it waits."""
    path.with_suffix(".waiting").touch()
    while not path.exists():  # noqa: ASYNC110, ASYNC240 (another process makes it)
        await asyncio.sleep(0.01)
    return os.getpid()


@router.get("/forever")
async def stream_forever() -> StreamingResponse:
    async def words() -> AsyncGenerator[str]:
        yield "begun\n"
        await asyncio.Event().wait()

    return StreamingResponse(words())


@router.get("/stream")
async def stream(request: Request) -> StreamingResponse:
    """Says one word, and then nothing until the process stops."""
    stopping: Stopping = stopping_of(request.scope["state"])

    async def words() -> AsyncGenerator[str]:
        stopped = asyncio.Event()
        with stopping.telling(stopped.set):
            yield "begun\n"
            await stopped.wait()
        yield "ended\n"

    return StreamingResponse(words())


@router.websocket("/socket")
async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("begun")
    await websocket.receive_text()


@asynccontextmanager
async def lifespan(_: State) -> AsyncGenerator[State]:
    yield {}
    logger.info("sample closed")


configure_logging(settings.log, deployed=True)
features = [
    serving.feature(settings.serve, environment=settings.environment),
    Feature(name="sample", routers=(router,), lifespan=lifespan),
]
app = create_app(settings, [*features, health.feature(features)])

if __name__ == "__main__":
    run(
        "tests.infrastructure.serving.sample:app",
        is_supervised=settings.serve.max_requests > 0,
        sockets=inherited_sockets(),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_config=None,
        access_log=False,
        **features[0].server_options,
    )
