"""The sample as a process of its own. What is waited for has a bound that only a defect reaches."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

from tests.servers import free_port

ROOT = Path(__file__).parents[3]
# Where programs are, and that their lines are to be counted too.
_INHERITED = ("PATH", "COVERAGE_PROCESS_CONFIG")
PATIENCE_SECONDS = 90
# The numbers begin at 3, and the process is known by its id.
_HAND_ON = """
import os, sys
descriptors = sys.argv[1].split(",")
for number, descriptor in enumerate(descriptors, 3):
    os.dup2(int(descriptor), number)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(descriptors))}
os.execv(sys.executable, [sys.executable, "-m", *sys.argv[2:]])
"""


class Server:
    def __init__(self, process: asyncio.subprocess.Process, address: str, log: Path) -> None:
        self.process = process
        self.address = address
        self.log = log
        self.client = httpx2.AsyncClient(
            base_url=f"http://{address}/api/v1/", timeout=PATIENCE_SECONDS, trust_env=False
        )

    async def readiness(self) -> int | None:
        """None: nobody listens."""
        try:
            return (await self.client.get(f"http://{self.address}/health/ready")).status_code
        except httpx2.TransportError:
            return None

    async def end(self) -> int:
        """The exit code."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.process.wait()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.02)


@asynccontextmanager
async def served(
    folder: Path, *listeners: socket.socket, **environment: object
) -> AsyncGenerator[Server]:
    """Its variables by name; without any, those of development.

    Listeners are handed to it as supervisors do. The first one is of TCP.
    """
    port = listeners[0].getsockname()[1] if listeners else free_port()
    log = folder / "server.log"
    descriptors = [listener.fileno() for listener in listeners]
    launcher = ["-c", _HAND_ON, ",".join(map(str, descriptors))] if listeners else ["-m"]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *launcher,
            "tests.infrastructure.serving.sample",
            str(port),
            cwd=ROOT,
            pass_fds=descriptors,
            env={name: os.environ[name] for name in _INHERITED if name in os.environ}
            | {name: str(value) for name, value in environment.items()},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    server = Server(process, f"127.0.0.1:{port}", log)

    async def is_up() -> bool:
        assert process.returncode is None, log.read_text()
        workers = int(str(environment.get("WEB_CONCURRENCY", 1)))
        started = log.read_text().count("Application startup complete")
        return started == workers and await server.readiness() == 200

    try:
        await until(is_up)
        yield server
    finally:
        if process.returncode is None:
            process.terminate()
            process.terminate()
            await process.wait()
        await server.client.aclose()
