"""A new version takes the place of the one before, behind nginx and under load, and goes back: nobody notices.

In the order of `deploy/compose/rollout.sh`, with processes in the place of containers: each on an address of its own,
which a name server gives nginx as Docker's does.
"""

import asyncio
import json
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import psycopg
import pytest

from harness import proxy
from harness.commands import run
from harness.environments import Environments
from harness.load import Ledger, callers
from harness.projects import Renderer
from harness.proxy import Front, Names, replaced
from harness.servers import free_port, new_database, running

if TYPE_CHECKING:
    import subprocess

pytestmark = pytest.mark.deploy

PASSWORD = "correct horse battery"
ACCOUNT = "--email a@example.com --username ada"
PATIENCE_SECONDS = 60
# Of load before and after each change.
PHASE_SECONDS = 1.5
OLD, NEW = "127.0.0.2", "127.0.0.3"
# What the next version brings: a column that may be empty, so that the one before need not know it.
NEXT_VERSION = {
    "app/modules/book/models.py": {
        "    published_in: Mapped[int | None]\n": (
            "    published_in: Mapped[int | None]\n    shelf: Mapped[str | None] = mapped_column(String(40))\n"
        )
    },
    "app/modules/book/schemas.py": {
        "    published_in: Year | None = None\n": (
            '    published_in: Year | None = None\n    shelf: str | None = Field("unsorted", max_length=40)\n'
        ),
        "    published_in: int | None\n": "    published_in: int | None\n    shelf: str | None\n",
    },
}
MIGRATION = '''\
"""The shelf of a book."""

import sqlalchemy as sa
from alembic import op

revision = "made_later"
down_revision = "0002_example"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("book", sa.Column("shelf", sa.String(length=40), nullable=True))


def downgrade() -> None:
    op.drop_column("book", "shelf")
'''


@dataclass
class Deployment:
    """Where the versions run, and what they share."""

    python: Path
    settings: dict[str, str]
    port: int
    names: Names
    log: Path
    ended: list[int] = field(default_factory=list)

    def run(self, version: Path, command: str, **extra: str) -> None:
        outcome = run([str(self.python), "-m", *command.split()], version, {**self.settings, **extra})
        assert outcome.ok, outcome

    def serving(self, version: Path, address: str) -> "AbstractContextManager[subprocess.Popen[bytes]]":
        serve = [str(self.python), "-m", "app.cli", "serve", "--host", address, "--port", str(self.port)]
        log = self.log.with_name(f"{version.name}-{len(self.ended)}.log")
        return running(serve, version, log, **self.settings)

    def url(self, address: str) -> str:
        return f"http://{address}:{self.port}"

    def is_ready(self, address: str) -> bool:
        try:
            return httpx2.get(f"{self.url(address)}/health/ready", timeout=10).status_code == 200
        except httpx2.TransportError:
            return False

    async def until_ready(self, address: str) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not await asyncio.to_thread(self.is_ready, address):
            assert time.monotonic() < end, f"{address} is not ready"
            await asyncio.sleep(0.1)

    async def replace(self, address: str, server: "subprocess.Popen[bytes]", other: str) -> None:
        """By what was started at the other address, whose name is known from the start on, as Docker's are."""
        self.names.addresses = [address, other]
        await self.until_ready(other)
        await asyncio.sleep(PHASE_SECONDS)
        server.send_signal(signal.SIGTERM)
        self.ended.append(await asyncio.to_thread(server.wait, PATIENCE_SECONDS))
        self.names.addresses = [other]
        await asyncio.sleep(PHASE_SECONDS)


@pytest.fixture
def versions(render: Renderer, environments: Environments, tmp_path: Path) -> tuple[Path, Path]:
    """One, and the next."""
    switches = {"auth": True, "database": True, "example": True, "docker": True, "nginx": True}
    project = environments.install(render.project(tmp_path / "one", preset="custom", **switches)).folder
    limits = project / "deploy/nginx/http.conf"
    # All callers have one address.
    limits.write_text(replaced(limits.read_text(), {"rate=50r/s": "rate=50000r/s"}))
    following = tmp_path / "two"
    shutil.copytree(project, following, ignore=shutil.ignore_patterns(".venv", ".git"))
    for path, pieces in NEXT_VERSION.items():
        (following / path).write_text(replaced((following / path).read_text(), pieces))
    (following / "migrations/versions/made_later.py").write_text(MIGRATION)
    return project, following


@pytest.fixture
def deployment(versions: tuple[Path, Path], postgres: str, tmp_path: Path) -> Iterator[Deployment]:
    with new_database(postgres) as url, Names([OLD]).served() as names:
        settings = {
            "ENVIRONMENT": "production",
            "DATABASE_URL": url,
            "SECRET_KEY": "a secret key that is long enough for this",
            "FORWARDED_ALLOW_IPS": "127.0.0.1",
        }
        yield Deployment(versions[0] / ".venv/bin/python", settings, free_port(), names, tmp_path / "service")


@contextmanager
def begun(deployment: Deployment, version: Path, front: Path) -> "Iterator[tuple[subprocess.Popen[bytes], Front, str]]":
    """The first version behind nginx, and a token for it."""
    deployment.run(version, f"app.cli user create-superuser {ACCOUNT}", SUPERUSER_PASSWORD=PASSWORD)
    with (
        deployment.serving(version, OLD) as server,
        proxy.nginx(version, front, deployment.port, deployment.names) as nginx,
        httpx2.Client(base_url=f"{nginx.url}/api/v1", verify=nginx.trust, timeout=30) as client,
    ):
        asyncio.run(deployment.until_ready(OLD))
        token = client.post("/auth/token", data={"username": "ada", "password": PASSWORD}).json()["access_token"]
        yield server, nginx, token


def test_nobody_notices(deployment: Deployment, versions: tuple[Path, Path], tmp_path: Path) -> None:
    one, two = versions
    deployment.run(one, "alembic upgrade head")

    async def roll_out_and_back(
        server: "subprocess.Popen[bytes]", front: Front, token: str, stack: ExitStack
    ) -> Ledger:
        async with callers(f"{front.url}/api/v1/", token, trust=front.trust) as ledger:
            await asyncio.sleep(PHASE_SECONDS)
            await asyncio.to_thread(deployment.run, two, "alembic upgrade head")
            newer = stack.enter_context(deployment.serving(two, NEW))
            await deployment.replace(OLD, server, NEW)
            # The schema stays: it has only more than the version before needs.
            stack.enter_context(deployment.serving(one, OLD))
            await deployment.replace(NEW, newer, OLD)
        return ledger

    with ExitStack() as stack:
        server, front, token = stack.enter_context(begun(deployment, one, tmp_path / "nginx"))
        ledger = asyncio.run(roll_out_and_back(server, front, token, stack))
        entries = [json.loads(line) for line in front.log.read_text().splitlines() if line.startswith("{")]
        answered = Counter(entry["service"].rsplit(" ", 1)[-1] for entry in entries)
    with psycopg.connect(deployment.settings["DATABASE_URL"]) as connection:
        shelves: dict[str, str | None] = dict(connection.execute("SELECT isbn, shelf FROM book").fetchall())

    assert not ledger.wrong, ledger
    assert ledger.answers.keys() == {200, 201}, ledger
    assert ledger.cut == 0, ledger
    # Having done what was under way, by the signal that they were sent.
    assert deployment.ended == [-signal.SIGTERM] * 2
    assert not ledger.kept - shelves.keys()
    # Both have answered, and each has written as it does.
    port = deployment.port
    assert answered.keys() == {f"{OLD}:{port}", f"{NEW}:{port}"}
    assert {None, "unsorted"} == set(shelves.values())
