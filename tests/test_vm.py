"""A server as deploy/vm makes it: a real systemd runs the units, and the scripts deploy to it, under load."""

import asyncio
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psycopg
import pytest

from harness.commands import Outcome, run
from harness.git import commit_all
from harness.load import Ledger, callers
from harness.projects import Renderer, add_own_feature
from harness.proxy import replaced
from harness.servers import free_port, missing, new_database, redis
from harness.systemd import Systemd, systemd

pytestmark = pytest.mark.deploy

SLUG = "order-service"
HOME = f"/opt/{SLUG}"
SERVICES = ("web", "worker", "beat", "consumer")
PASSWORD = "correct horse battery"
PHASE_SECONDS = 1.0
# For what takes seconds where nobody else needs the machine.
PATIENCE_SECONDS = 120
# What runs in the background, and what a caller needs.
SWITCHES = dict.fromkeys(("database", "auth", "example", "celery", "events", "vm"), True)
PYTHON = Path("/usr/bin/python3")

# As an owner writes it: it tells which release answers, and whether that one is ready.
RELEASE = '''\
"""Which release this is."""

from fastapi import APIRouter

from app.core.feature import Feature, ReadinessCheck, State

router = APIRouter(prefix="/release", tags=["release"])


@router.get("")
async def read_release() -> str:
    return "first"


async def check(_: State) -> None:
    if read_release.__doc__:
        raise RuntimeError


FEATURE = Feature(name="release", routers=(router,), readiness=(ReadinessCheck(name="oven", check=check),))
'''
MIGRATION = '''\
"""{name}"""

import sqlalchemy as sa
from alembic import op

revision = "{name}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.{work}


def downgrade() -> None:
    """Nothing to do."""
'''
# The first release is made by uv. The others need the same, and a processor has better things to do.
UV = """\
#!/bin/sh
for made in {home}/releases/*/.venv; do
    test -d "$made" && exec cp --archive --link "$made" "$4/.venv"
done
exec {uv} "$@"
"""


@dataclass
class Server:
    """A virtual machine, as far as the service can tell."""

    systemd: Systemd
    project: Path
    database: str
    url: str
    shared: Path
    """A folder that it sees as well."""
    token: str = ""

    def script(self, name: str) -> Outcome:
        """One of those that are run elsewhere, with a stand-in for ssh."""
        path = f"{self.shared / 'bin'}:{os.environ['PATH']}"
        return run(f"deploy/vm/{name}.sh production vm.example.com", self.project, {"PATH": path})

    def deploy(self) -> str:
        """What is committed; its name."""
        outcome = self.script("deploy")
        assert outcome.ok, f"{outcome}\n{self.systemd.log.read_text()[-4000:]}"
        return self.current

    @property
    def current(self) -> str:
        """The release that runs."""
        return Path(self.systemd.check(f"readlink {HOME}/current").strip()).name

    @property
    def releases(self) -> list[str]:
        """All that are there."""
        return self.systemd.check(f"ls {HOME}/releases").split()

    def running(self) -> set[str]:
        """The units that do, without the name of the service."""
        columns = "--type=service,target --state=active,activating,deactivating --plain --no-legend"
        lines = self.systemd.check(f"systemctl list-units {columns} {SLUG}-*").splitlines()
        return {line.split()[0].removeprefix(f"{SLUG}-") for line in lines}

    def answer(self) -> str:
        """Which release says that it is there."""
        return str(httpx2.get(f"{self.url}/api/v1/release", timeout=PATIENCE_SECONDS).json())

    @contextmanager
    def changed(self, path: str, before: str, after: str) -> Iterator[None]:
        """A commit that changes something, and another one that takes it back."""
        file = self.project / path
        text = file.read_text() if file.exists() else ""
        assert before in text
        file.write_text(text.replace(before, after) if before else after)
        commit_all(self.project, "Change something")
        try:
            yield
        finally:
            if text:
                file.write_text(text)
            else:
                file.unlink()
            commit_all(self.project, "Take it back")

    def under_load(self, work: Callable[[], object]) -> Ledger:
        """What callers were told before, during and after the work."""
        with psycopg.connect(self.database) as connection:
            # Callers begin with the same ones again.
            connection.execute("DELETE FROM book")

        async def observe() -> Ledger:
            # A process takes as long to start as the machine lets it; who waits is not refused.
            async with callers(f"{self.url}/api/v1/", self.token, number=4, patience=PATIENCE_SECONDS) as ledger:
                await asyncio.sleep(PHASE_SECONDS)
                await asyncio.to_thread(work)
                await asyncio.sleep(PHASE_SECONDS)
            return ledger

        return asyncio.run(observe())


def nobody_noticed(ledger: Ledger) -> None:
    """Every request got its answer, and not an excuse."""
    assert set(ledger.answers) == {200, 201}, ledger
    assert not ledger.cut, ledger
    assert not ledger.wrong, ledger


@pytest.fixture(scope="module")
def server(render: Renderer, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One with a first release."""
    if not PYTHON.exists():
        missing("The distribution's Python is needed: install it (Debian: apt-get install python3)")
    folder = tmp_path_factory.mktemp("vm")
    project = render.project(folder / "project", preset="custom", project_name="Order Service", **SWITCHES)
    add_own_feature(project, "release", RELEASE)
    script = project / "deploy/vm/release.sh"
    script.write_text(replaced(script.read_text(), {"try < 30": "try < 3"}))
    locked = run(f"uv lock --quiet --python {PYTHON}", project)
    assert locked.ok, locked
    commit_all(project, "Lock")
    with new_database(postgres) as database, redis() as redis_url, systemd(folder / "vm", f"/etc/{SLUG}") as manager:
        own = Server(manager, project, database, f"http://127.0.0.1:{free_port()}", folder / "vm")
        prepare(own, redis_url)
        own.deploy()
        own.token = log_in(own)
        yield own


def prepare(server: Server, redis_url: str) -> None:
    """What setup.sh leaves, and ssh and sudo as they look from here."""
    files = {
        "environment": "\n".join(f"{name}={value}" for name, value in variables(server, redis_url).items()),
        # As the page of documentation says.
        "port.conf": f"[Socket]\nListenStream=\nListenStream={server.url.removeprefix('http://')}\n",
        "bin/uv": UV.format(home=HOME, uv=shutil.which("uv")),
        "bin/ssh": f'#!/bin/sh\nshift\nexec {" ".join(server.systemd.entering)} sh -c "$*"\n',
        "bin/sudo": '#!/bin/sh\nexec "$@"\n',
    }
    for name, text in files.items():
        path = server.shared / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    shared = server.shared
    for command in (
        f"mkdir -p {HOME}/releases",
        f"install -D {shared}/bin/uv {HOME}/tools/bin/uv",
        f"install -m 0600 {shared}/environment /etc/{SLUG}/environment",
        f"install -D -m 0644 {shared}/port.conf /etc/systemd/system/{SLUG}-web.socket.d/port.conf",
    ):
        server.systemd.check(command)


def variables(server: Server, redis_url: str) -> dict[str, str]:
    """Of production, with a shorter wait for load balancers, of which there are none."""
    return {
        "ENVIRONMENT": "production",
        "SECRET_KEY": "a secret key that is long enough for this",
        "DATABASE_URL": server.database,
        "REDIS_URL": redis_url,
        "SERVE_DRAIN_SECONDS": "1",
        "AUTH_FAILURES_PER_ADDRESS": "1000000",
    }


def log_in(server: Server) -> str:
    """As somebody who registers."""
    account = {"email": "ada@example.com", "username": "ada", "name": "Ada", "password": PASSWORD}
    with httpx2.Client(base_url=f"{server.url}/api/v1/", timeout=PATIENCE_SECONDS) as client:
        client.post("users", json=account)
        answer = client.post("auth/token", data={"username": "ada", "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def test_services_have_no_rights(server: Server) -> None:
    """Which the kernel knows, whatever the units say."""
    current = server.current
    for name in SERVICES:
        pid = server.systemd.show(f"{SLUG}-{name}@{current}.service", "MainPID")
        lines = server.systemd.check(f"cat /proc/{pid}/status").splitlines()
        status = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}

        assert "0" not in status["Uid"] + status["Gid"], name
        assert status["CapBnd"] == status["CapEff"] == ["0000000000000000"], name
        assert (status["NoNewPrivs"], status["Seccomp"]) == (["1"], ["2"]), name
        assert {Path(it).name for it in status["Umask"]} == {"0077"}, name
        # Its own files, and those of the machine.
        inside = ["nsenter", f"--target={pid}", "--mount", "sh", "-c"]
        for path in (f"{HOME}/releases/{current}/app", "/etc", "/usr"):
            refused = server.systemd.run([*inside, f"touch {path}/mine"])
            assert "Read-only file system" in refused.output, (name, path)
        assert server.systemd.run([*inside, "touch /tmp/mine && test -z $(ls /root)"]).ok, name


def test_settings_are_root_s_alone(server: Server) -> None:
    assert server.systemd.check(f"stat --format %U:%a /etc/{SLUG}/environment").strip() == "root:600"


def test_restart_refuses_nobody(server: Server) -> None:
    unit = f"{SLUG}-web@{server.current}.service"
    before = server.systemd.show(unit, "MainPID")

    ledger = server.under_load(lambda: server.systemd.check(f"systemctl restart {unit}"))

    nobody_noticed(ledger)
    assert server.systemd.show(unit, "MainPID") != before
    assert server.systemd.show(unit, "Result") == "success"


def test_killed_process_comes_back(server: Server) -> None:
    unit = f"{SLUG}-web@{server.current}.service"
    server.systemd.check(f"systemctl kill --kill-whom=all --signal=KILL {unit}")

    # Who comes meanwhile waits at the socket.
    assert server.answer() == "first"
    assert server.systemd.show(unit, "NRestarts") == "1"


def test_release_takes_the_place_of_another_under_load(server: Server) -> None:
    """With a migration that the former one can live with; then it comes back, by rollback.sh."""
    former = server.current
    old = [f"20200101T00000{number}-aaaaaaaaaaaa" for number in range(6)]
    for name in old:
        server.systemd.check(f"mkdir {HOME}/releases/{name}")
    expand = MIGRATION.format(
        name="9001_expand", before="0017_events", work='add_column("book", sa.Column("shelf", sa.String()))'
    )
    with (
        own_schema(server),
        server.changed("migrations/versions/9001_expand.py", "", expand),
        server.changed("app/modules/release.py", '"first"', '"second"'),
    ):
        ledger = server.under_load(server.deploy)

        nobody_noticed(ledger)
        current = server.current
        assert current != former
        assert server.answer() == "second"
        until(lambda: server.running() == units_of(current))
        with psycopg.connect(server.database) as connection:
            assert connection.execute("SELECT shelf FROM book LIMIT 1").fetchone() == (None,)
        assert len(server.releases) == 5
        assert {former, current} < set(server.releases)
        assert min(old) not in server.releases
        server.systemd.check(["sh", "-c", f"rm -r {HOME}/releases/2020*"])

        ledger = server.under_load(lambda: roll_back(server))

        nobody_noticed(ledger)
        assert server.current == former
        assert server.answer() == "first"
        until(lambda: server.running() == units_of(former))


def units_of(release: str) -> set[str]:
    """All that run of one."""
    return {f"{name}@{release}.service" for name in SERVICES} | {f"release@{release}.target"}


@contextmanager
def own_schema(server: Server) -> Iterator[None]:
    """Alembic refuses a database that it does not know, and the other tests' releases would not know this one."""
    try:
        yield
    finally:
        with psycopg.connect(server.database) as connection:
            connection.execute("ALTER TABLE book DROP COLUMN IF EXISTS shelf")
            connection.execute("UPDATE alembic_version SET version_num = '0017_events'")


def roll_back(server: Server) -> None:
    outcome = server.script("rollback")
    assert outcome.ok, outcome


@pytest.mark.parametrize(
    ("path", "before", "after", "reason"),
    [
        (
            "migrations/versions/9002_broken.py",
            "",
            MIGRATION.format(name="9002_broken", before="0017_events", work='drop_column("book", "nothing")'),
            "failed; its last lines",
        ),
        ("app/modules/release.py", "if read_release.__doc__:", "if True:", "oven: RuntimeError"),
        ("app/worker.py", '"""', 'raise SystemExit(1)\n"""', "does not run"),
    ],
    ids=["migration", "readiness", "worker"],
)
def test_release_that_fails_changes_nothing(server: Server, path: str, before: str, after: str, reason: str) -> None:
    current, releases, running = server.current, server.releases, server.running()
    outcomes: list[Outcome] = []
    with server.changed(path, before, after):
        ledger = server.under_load(lambda: outcomes.append(server.script("deploy")))

    assert not outcomes[0].ok, str(outcomes[0])
    assert reason in outcomes[0].output, str(outcomes[0])
    assert f"{current} goes on" in outcomes[0].output
    nobody_noticed(ledger)
    assert (server.current, server.releases, server.running()) == (current, releases, running)
    # The next one is not in its way.
    assert server.systemd.show(f"{SLUG}-web.socket", "Triggers") == f"{SLUG}-web@{current}.service"


def test_starts_with_the_machine(server: Server) -> None:
    """What is pulled in by what every machine starts, and in the right order."""
    current = server.current
    server.systemd.check(f"systemctl stop {SLUG}-web.socket {SLUG}-release@{current}.target")
    until(lambda: not server.running())

    server.systemd.check("systemctl start sockets.target multi-user.target")

    until(lambda: {f"web@{current}.service", f"worker@{current}.service"} <= server.running())
    assert server.answer() == "first"
    server.systemd.check("systemctl stop multi-user.target sockets.target")


def test_command_runs_as_the_service_does(server: Server) -> None:
    if not Path("/usr/bin/dbus-daemon").exists():
        missing("systemd-run needs D-Bus: install it (Debian: apt-get install dbus)")
    server.systemd.check("systemctl start dbus.socket dbus.service")

    output = server.systemd.check(f"{HOME}/current/deploy/vm/manage.sh settings")

    assert "ENVIRONMENT=production" in output
    assert "SECRET_KEY=**********" in output


def test_settings_that_production_asks_for_are_in_the_file(server: Server) -> None:
    """Which setup.sh writes."""
    python = f"{HOME}/current/.venv/bin/python"
    bare = server.systemd.run(
        ["sh", "-c", f"cd {HOME}/current && {python} -m app.cli settings"], ENVIRONMENT="production"
    )
    asked = set(re.findall(r"^  (?:\S+: )?([A-Z]+(?:_[A-Z]+)+) must", bare.output, re.MULTILINE))
    written = set(re.findall(r"^([A-Z_]+)=", (server.project / "deploy/vm/setup.sh").read_text(), re.MULTILINE))

    assert {"SECRET_KEY", "DATABASE_URL", "REDIS_URL"} <= asked
    assert asked <= written


def test_scripts_say_what_is_wrong(server: Server) -> None:
    release = f"{HOME}/current/deploy/vm/release.sh"
    for command, reason in {
        f"{release} deploy production": "RELEASE is missing",
        f"{release} deploy staging x": f"/etc/{SLUG}/environment is not that of staging",
        f"{release} deploy production x": "there is no /opt/order-service/releases/x",
        release: "usage",
    }.items():
        outcome = server.systemd.run(command)
        assert not outcome.ok
        assert reason in outcome.output, outcome
    for command, reason in {
        "deploy/vm/deploy.sh": "usage",
        "deploy/vm/deploy.sh production": "deploy/vm/hosts names no host of production",
        "deploy/vm/rollback.sh staging": "deploy/vm/hosts names no host of staging",
    }.items():
        outcome = run(command, server.project)
        assert not outcome.ok
        assert reason in outcome.output, outcome


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)
