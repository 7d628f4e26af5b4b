"""The rendered service with everything on, under load, and what is done to it."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import psycopg

from harness import servers
from harness.commands import run
from harness.load import Ledger, callers
from harness.servers import Cluster, cluster, free_port, redis

if TYPE_CHECKING:
    import subprocess

PASSWORD = "correct horse battery"
WORKERS = 2
# How long each phase lasts: before, during and after what is done.
PHASE_SECONDS = 2.0
PATIENCE_SECONDS = 20.0
LIMITS_OFF = {
    "AUTH_FAILURES_PER_ADDRESS": "1000000",
    "RATE_LIMIT_DEFAULT": "999999/minute",
    "RATE_LIMIT_ANONYMOUS": "999999/minute",
}

# As an owner writes it: a request that takes its time, with a connection to the database.
SLOW = '''\
"""A request that takes its time."""

from fastapi import APIRouter
from sqlalchemy import text

from app.core.feature import Feature
from app.infrastructure.database.session import ReadSessionDep

router = APIRouter(prefix="/slow", tags=["slow"])


@router.get("")
async def read_slowly(session: ReadSessionDep) -> None:
    """Take a second and a half."""
    await session.execute(text("SELECT pg_sleep(1.5)"))


FEATURE = Feature(name="slow", routers=(router,))
'''


@dataclass(frozen=True)
class Running:
    """The service and what it stands on."""

    database: Cluster
    process: "subprocess.Popen[bytes]"
    port: int
    token: str

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1/"

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        # One of them is multiprocessing's own.
        names = {int(pid): Path(f"/proc/{pid}/cmdline").read_text() for pid in children}
        return [pid for pid, command in names.items() if "resource_tracker" not in command]

    def busiest_worker(self) -> int:
        """By the time that its processor has spent on it, the fourteenth field of its state (proc(5))."""
        return max(self.workers(), key=lambda pid: int(Path(f"/proc/{pid}/stat").read_text().split()[13]))

    def lost(self, ledger: Ledger) -> set[str]:
        """What callers were told is kept, and is not in the database."""
        with psycopg.connect(self.database.url) as connection:
            return ledger.kept - {row[0] for row in connection.execute("SELECT isbn FROM book")}


@contextmanager
def running(project: Path, **extra: str) -> Iterator[Running]:
    """Two workers on a PostgreSQL and a Redis of their own."""
    port, log = free_port(), project.parent / "service.log"
    with cluster() as database, redis() as redis_url:
        settings = {
            "DATABASE_URL": database.url,
            "REDIS_URL": redis_url,
            "WEB_CONCURRENCY": str(WORKERS),
            "SECRET_KEY": "a secret key that is long enough for this",
            "LOG_FORMAT": "json",
            **LIMITS_OFF,
            **extra,
        }
        for task in (
            "alembic upgrade head",
            "python -m app.cli user create-superuser --email a@example.com --username ada",
        ):
            outcome = run(f"uv run --no-sync {task}", project, {**settings, "SUPERUSER_PASSWORD": PASSWORD})
            assert outcome.ok, outcome
        command = [
            str(project / ".venv/bin/python"),
            "-m",
            "app.cli",
            "serve",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        with servers.running(command, project, log, port, **settings) as process:
            form = {"username": "ada", "password": PASSWORD}
            answer = httpx2.post(f"http://127.0.0.1:{port}/api/v1/auth/token", data=form, timeout=30)
            yield Running(database, process, port, answer.json()["access_token"])


async def under_load(service: Running, fault: Callable[[], Awaitable[None]]) -> tuple[Ledger, float]:
    """What callers were told, and the seconds from the end of the fault to the next success."""
    async with callers(service.base, service.token) as ledger:
        await asyncio.sleep(PHASE_SECONDS)
        assert ledger.kept, ledger
        await fault()
        over = time.monotonic()
        await asyncio.sleep(PHASE_SECONDS)
        # Polled, for it is the callers' doing.
        while ledger.successes[-1] < over and time.monotonic() < over + PATIENCE_SECONDS:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return ledger, ledger.recovered_after(over)


def database_stops(service: Running) -> tuple[Ledger, float]:
    """Its server stops, breaking off who is connected, and starts again."""

    async def fault() -> None:
        await asyncio.to_thread(service.database.stop)
        await asyncio.sleep(PHASE_SECONDS)
        await asyncio.to_thread(service.database.start)

    return asyncio.run(under_load(service, fault))


def worker_is_killed(service: Running) -> tuple[Ledger, float]:
    """The kernel ends one of them, as it does where memory is short."""

    async def fault() -> None:
        os.kill(service.busiest_worker(), signal.SIGKILL)

    return asyncio.run(under_load(service, fault))


def pool_is_exhausted(service: Running, requests: int) -> list[httpx2.Response]:
    """More slow requests at once than there are connections."""

    async def ask() -> list[httpx2.Response]:
        async with httpx2.AsyncClient(base_url=service.base, timeout=20) as client, asyncio.TaskGroup() as group:
            tasks = [group.create_task(client.get("slow")) for _ in range(requests)]
        return [task.result() for task in tasks]

    return asyncio.run(ask())


def is_told_to_stop(service: Running) -> tuple[Ledger, list[int], int]:
    """SIGTERM below a load balancer, which sends nothing more once the readiness says so.

    The ledger, the answers of slow requests that were under way, and the exit status.
    """

    async def ask() -> tuple[Ledger, list[int]]:
        async with httpx2.AsyncClient(base_url=service.base, timeout=20) as client:
            async with callers(service.base, service.token) as ledger:
                await asyncio.sleep(PHASE_SECONDS)
                slow = [asyncio.create_task(client.get("slow")) for _ in range(3)]
                await asyncio.sleep(0.5)
                service.process.send_signal(signal.SIGTERM)
                while (await client.get("/health/ready")).status_code == 200:  # noqa: ASYNC110 (as they do)
                    await asyncio.sleep(0.1)
            answers = await asyncio.gather(*slow)
        return ledger, [answer.status_code for answer in answers]

    ledger, answers = asyncio.run(ask())
    return ledger, answers, service.process.wait(30)
