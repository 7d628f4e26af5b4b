"""The image is built and run by a real Docker engine, alone and by its compose files."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from harness.commands import environment
from harness.docker import Docker, engine
from harness.projects import Renderer
from harness.servers import free_port, new_database

pytestmark = pytest.mark.deploy

PATIENCE_SECONDS = 120
# One with every kind of process, and one that is quickly built with all of its tools.
LARGE: dict[str, Any] = {"preset": "saas", "docker": True}
SMALL: dict[str, Any] = {"preset": "minimal", "docker": True, "database": True}
HARDENED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")  # noqa: S108

LOOK_AROUND = """
import importlib.util, json, os, pathlib, shutil
sources = list(pathlib.Path("/app/app").rglob("*.py"))
print(json.dumps({
    "files": sorted(os.listdir("/app")),
    "programs": [name for name in ("uv", "gcc", "make", "git", "curl", "pytest", "mypy") if shutil.which(name)],
    "packages": [name for name in ("pytest", "mypy", "ruff", "httpx2") if importlib.util.find_spec(name)],
    "not compiled": [str(it) for it in sources if not os.path.exists(importlib.util.cache_from_source(it))],
    "hidden": [str(it) for it in pathlib.Path("/app/app").rglob(".*")],
}))
"""
WRITE_SOMEWHERE = """
import os, pathlib
for folder in ("/", "/app", "/app/app", "/var/tmp"):
    try:
        pathlib.Path(folder, "x").touch()
    except OSError:
        pass
    else:
        print("could write to", folder)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(os.getuid(), os.getgid(), int(status["CapBnd"], 16), int(status["NoNewPrivs"]))
"""


@pytest.fixture(scope="session")
def docker(shared: Path) -> Iterator[Docker]:
    """The engine of this run."""
    with engine(shared / "docker") as started:
        yield started


@pytest.fixture(scope="session")
def small(render: Renderer, docker: Docker) -> str:
    """The tag of the small project's image."""
    docker.build(render(**SMALL), "small:1", "--build-arg", "REVISION=abc123", "--build-arg", "VERSION=1.4.0")
    return "small:1"


@pytest.fixture(scope="session")
def large(render: Renderer, docker: Docker) -> str:
    """The tag of the large project's image."""
    docker.build(render(**LARGE), "large:1")
    return "large:1"


@pytest.fixture
def project(render: Renderer, tmp_path: Path) -> Callable[..., Path]:
    """Makes a project of the test's own."""

    def make(**answers: Any) -> Path:
        return Path(shutil.copytree(render(**answers), tmp_path / "project"))

    return make


def until(condition: Callable[[], object], what: Callable[[], str]) -> None:
    """Wait for it; fail with `what` is there instead."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.2)


def get(url: str, **headers: str) -> httpx2.Response | None:
    """None: nobody answers."""
    try:
        return httpx2.get(url, headers=headers, timeout=10, trust_env=False)
    except httpx2.TransportError:
        return None


class TestContent:
    def test_is_what_runs_and_nothing_else(self, docker: Docker, small: str) -> None:
        found = json.loads(docker.answer("run", "--rm", "--network", "host", small, "python", "-c", LOOK_AROUND))
        assert found == {
            "files": [".venv", "alembic.ini", "app", "migrations"],
            "programs": [],
            "packages": [],
            "not compiled": [],
            "hidden": [],
        }

    def test_says_what_it_is(self, docker: Docker, small: str) -> None:
        configuration = json.loads(docker.answer("image", "inspect", small))[0]["Config"]
        assert configuration["User"] == "10001:10001"
        assert configuration["Cmd"][0] == "python"
        assert configuration["Entrypoint"] is None
        labels = {
            key.removeprefix("org.opencontainers.image."): value for key, value in configuration["Labels"].items()
        }
        assert labels == {"title": "My Service", "licenses": "MIT", "revision": "abc123", "version": "1.4.0"}
        assert not [it for it in configuration["Env"] if any(word in it.upper() for word in ("SECRET", "PASSWORD"))]

    def test_what_is_private_never_reaches_a_build(
        self, docker: Docker, project: Callable[..., Path], tmp_path: Path
    ) -> None:
        """As the stage for development, which copies whatever is there, would have it."""
        folder = project(**SMALL)
        private = [".env", ".git/config", "app.db", "production.env", "secrets/password", "server.key", "app/.env"]
        for name in private:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("private")
        (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
        docker.answer("build", "--file", str(tmp_path / "Dockerfile"), "--output", str(tmp_path / "out"), str(folder))
        assert (tmp_path / "out/app/main.py").exists()
        assert [name for name in private if (tmp_path / "out" / name).exists()] == []


class TestStart:
    def test_refuses_without_its_variables_and_names_them(self, docker: Docker, large: str) -> None:
        outcome = docker("run", "--rm", "--network", "host", large)
        assert outcome.status == 1
        named = {line.split()[0] for line in outcome.output.splitlines() if line.startswith("  ")}
        assert named >= {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "EMAIL_SMTP_HOST", "STORAGE_BUCKET"}
        assert "Traceback" not in outcome.output

    @pytest.mark.parametrize(("quota", "workers"), [("150000", 1), ("250000", 2)])
    def test_serves_without_any_right_and_stops_in_time(
        self, docker: Docker, small: str, postgres: str, quota: str, workers: int
    ) -> None:
        """By as many processes as it is given whole CPUs."""
        port = free_port()
        with new_database(postgres) as url:
            options = ["--network", "host", *HARDENED, "--env", f"DATABASE_URL={url}", "--env", f"PORT={port}"]
            assert "PostgresqlImpl" in docker.answer("run", "--rm", *options, small, "alembic", "upgrade", "head")
            # Not by --cpus, which allows no more than the machine has.
            limits = ["--cpu-period", "100000", "--cpu-quota", quota]
            with container(docker, *options, *limits, small) as name:
                until(lambda: health(docker, name) == "healthy", lambda: docker("logs", name).output)
                assert getattr(get(f"http://127.0.0.1:{port}/health/ready"), "status_code", None) == 200
                assert docker("logs", name).output.count("Started server process") == workers
                assert docker.answer("exec", name, "python", "-c", WRITE_SOMEWHERE) == "10001 10001 0 1"
                assert "app.cli" in docker.answer("exec", name, "python", "-m", "app.cli", "--help")

                docker.answer("stop", "--time", "60", name)
                state = inspect(docker, name)["State"]
                assert (state["ExitCode"], state["OOMKilled"]) == (0, False), docker("logs", name).output
                assert docker("logs", name).output.count("Application shutdown complete") == workers


@contextmanager
def container(docker: Docker, *arguments: str) -> Iterator[str]:
    """One that runs in the background."""
    name = docker.answer("run", "--detach", *arguments)
    try:
        yield name
    finally:
        docker("rm", "--force", name)


def inspect(docker: Docker, name: str) -> dict[str, Any]:
    """What the engine knows of a container."""
    found: dict[str, Any] = json.loads(docker.answer("inspect", name))[0]
    return found


def health(docker: Docker, name: str) -> str:
    """As its health check found it."""
    return str(inspect(docker, name)["State"]["Health"]["Status"])


class Compose:
    """One of a project's compose files, with what it is told by the environment."""

    def __init__(self, docker: Docker, folder: Path, *files: str, **environment: str) -> None:
        self.docker, self.folder, self.environment = docker, folder, environment
        self._start = ["compose", *(word for file in files for word in ("--file", file))]

    def __call__(self, *arguments: str) -> str:
        """What it prints; it must succeed."""
        return self.docker.answer(*self._start, *arguments, folder=self.folder, extra=self.environment)

    def status(self, *arguments: str) -> int:
        """How it ends."""
        return self.docker(*self._start, *arguments, folder=self.folder, extra=self.environment).status

    def up(self) -> None:
        """Start everything, and wait until it is healthy."""
        outcome = self.docker(*self._start, *UP, folder=self.folder, extra=self.environment)
        assert outcome.ok, f"{outcome}\n{self('logs', '--tail', '30')}"

    def containers(self) -> dict[str, dict[str, Any]]:
        """By the names of their services."""
        found = [inspect(self.docker, it) for it in self("ps", "--all", "--quiet").split()]
        return {it["Config"]["Labels"]["com.docker.compose.service"]: it for it in found}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Until it is taken down with all that it kept."""
        try:
            self.up()
            yield
        finally:
            self.status("down", "--volumes", "--timeout", "1")


UP = ("up", "--detach", "--no-build", "--pull", "never", "--wait", "--wait-timeout", "240")
SETTINGS = """\
DATABASE_URL=postgresql://app:{password}@postgres:5432/app
SECRET_KEY=a key for this test alone, of some length
EMAIL_SENDER=shop@example.com
EMAIL_SMTP_HOST=mail.example.com
EMAIL_LINK_URL=https://app.example.com
STORAGE_BUCKET=shop
"""
PASSWORD = "a password of this test"


class TestProduction:
    @pytest.fixture
    def compose(self, docker: Docker, large: str, project: Callable[..., Path]) -> Compose:
        folder = project(**LARGE)
        secrets = folder / "secrets"
        secrets.mkdir(mode=0o700)
        (secrets / "postgres_password").write_text(PASSWORD)
        (secrets / "production.env").write_text(SETTINGS.format(password=PASSWORD.replace(" ", "%20")))
        for path in secrets.iterdir():
            path.chmod(0o444)
        return Compose(
            docker,
            folder,
            "compose.production.yaml",
            IMAGE=large,
            PORT=str(free_port()),
            # Whatever else runs on this machine has others.
            FRONTEND_SUBNET=f"172.30.{free_port() % 250}.0/24",
        )

    def test_starts_in_order_and_keeps_to_itself(self, compose: Compose) -> None:
        """One test, since it takes long to start."""
        base = f"http://127.0.0.1:{compose.environment['PORT']}"
        with compose.running():
            found = compose.containers()
            assert found.keys() == {"app", "worker", "beat", "migrate", "postgres", "redis", "cache"}
            self.check_order(found)
            self.check_limits(found)
            assert PASSWORD not in json.dumps([it["Config"] for it in found.values()])

            ready = get(f"{base}/health/ready", **{"X-Forwarded-For": "203.0.113.9"})
            assert ready is not None
            assert (ready.status_code, ready.json()["failing"].keys()) == (200, {"storage"})
            missing = get(f"{base}/api/v1/nothing", **{"X-Forwarded-For": "203.0.113.9"})
            assert missing is not None
            assert missing.status_code == 404
            # The address that the proxy names is believed.
            assert '"203.0.113.9"' in compose("logs", "app")

            compose("exec", "-T", "app", "python", "-m", "app.cli", "settings")
            policies = [compose("exec", "-T", it, "redis-cli", "config", "get", "maxmemory-policy") for it in STORES]
            assert [it.split()[-1] for it in policies] == ["noeviction", "allkeys-lru"]
            self.check_nothing_leaves(compose)

            # The next version: its migrations first, and nothing of what was kept is lost.
            compose.docker.answer("tag", compose.environment["IMAGE"], "large:2")
            compose.environment["IMAGE"] = "large:2"
            compose.up()
            after = compose.containers()
            self.check_order(after)
            assert {name for name in found if found[name]["Id"] == after[name]["Id"]} == {"postgres", "redis", "cache"}

    @staticmethod
    def check_order(found: dict[str, dict[str, Any]]) -> None:
        migrate = found["migrate"]["State"]
        assert (migrate["Status"], migrate["ExitCode"]) == ("exited", 0)
        for name in ("app", "worker", "beat"):
            assert found[name]["State"]["Health"]["Status"] == "healthy"
            assert found[name]["State"]["StartedAt"] >= migrate["FinishedAt"]

    @staticmethod
    def check_limits(found: dict[str, dict[str, Any]]) -> None:
        for name, it in found.items():
            host = it["HostConfig"]
            assert (host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]) == (True, ["ALL"], False), name
            assert host["SecurityOpt"] == ["no-new-privileges:true"], name
            assert host["Memory"] > 0, name
            assert host["NanoCpus"] > 0, name
            assert host["LogConfig"]["Type"] == "local", name
            published = [port["HostIp"] for ports in (host["PortBindings"] or {}).values() for port in ports]
            assert published == (["127.0.0.1"] if name == "app" else []), name

    @staticmethod
    def check_nothing_leaves(compose: Compose) -> None:
        """The proxy's network and the data's have the service alone in common, and the latter leads nowhere."""
        networks = {
            name: {network.rpartition("_")[2] for network in it["NetworkSettings"]["Networks"]}
            for name, it in compose.containers().items()
        }
        assert networks["app"] == {"frontend", "backend"}
        assert networks["worker"] == networks["beat"] == networks["migrate"] == {"outbound", "backend"}
        assert networks["postgres"] == networks["redis"] == networks["cache"] == {"backend"}
        assert (
            compose.docker.answer("network", "inspect", "--format", "{{.Internal}}", "my-service-production_backend")
            == "true"
        )

    def test_without_an_image_it_says_what_to_set(self, compose: Compose) -> None:
        compose.environment["IMAGE"] = ""
        outcome = compose.docker(
            "compose", "--file", "compose.production.yaml", "up", folder=compose.folder, extra=compose.environment
        )
        assert outcome.status != 0
        assert "IMAGE" in outcome.output


STORES = ("redis", "cache")


class TestDevelopment:
    def test_takes_changed_code_over(self, docker: Docker, project: Callable[..., Path]) -> None:
        folder, port = project(**SMALL), free_port()
        docker.build(folder, "my-service:development", "--target", "development")
        compose = Compose(docker, folder, "compose.yaml", PORT=str(port), POSTGRES_PORT=str(free_port()))
        address = f"http://127.0.0.1:{port}/openapi.json"

        def says(description: str) -> bool:
            answer = get(address)
            return answer is not None and answer.json()["info"]["description"] == description

        with compose.running(), watching(compose) as log:
            assert says("A FastAPI service.")
            until(lambda: "Watch enabled" in log.read_text(), log.read_text)
            source = folder / "app/bootstrap/settings.py"
            source.write_text(source.read_text().replace("A FastAPI service.", "Another one."))
            until(lambda: says("Another one."), lambda: log.read_text() + compose("logs", "app"))


@contextmanager
def watching(compose: Compose) -> Iterator[Path]:
    """With `docker compose watch`, which writes there."""
    log = compose.folder / "watch.log"
    # It keeps a lock for each name of a project in the home folder.
    variables = environment(**compose.docker.environment, **compose.environment, HOME=str(compose.folder))
    with log.open("w") as output:
        process = subprocess.Popen(
            ["docker", "compose", "watch", "--no-up"],
            executable=shutil.which("docker", path=variables["PATH"]),
            cwd=compose.folder,
            env=variables,
            stdout=output,
            stderr=output,
        )
    try:
        yield log
    finally:
        process.terminate()
        process.wait(30)


class TestTests:
    KEPT: Sequence[str] = (
        "__init__.py",
        "conftest.py",
        "fixtures",
        "servers.py",
        "support.py",
        "infrastructure/__init__.py",
        "infrastructure/database/__init__.py",
        "infrastructure/database/test_pool.py",
    )

    def test_run_against_postgresql_and_tell_how_they_ended(
        self, docker: Docker, project: Callable[..., Path], tmp_path: Path
    ) -> None:
        """A few of them: all are run elsewhere."""
        folder = project(**SMALL)
        shutil.move(folder / "tests", tmp_path / "all")
        for name in self.KEPT:
            (folder / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
            source = tmp_path / "all" / name
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / "tests" / name)
        docker.build(folder, "my-service:test", "--target", "test")

        (folder / "elsewhere.yaml").write_text(
            "services:\n  test:\n    environment:\n      TEST_DATABASE_URL: postgresql://postgres@postgres:1/postgres\n"
        )
        for files, ends_well in (["compose.test.yaml"], True), (["compose.test.yaml", "elsewhere.yaml"], False):
            compose = Compose(docker, folder, *files)
            try:
                status = compose.status("up", "--no-build", "--pull", "never", "--exit-code-from", "test")
                assert (status == 0) is ends_well, compose("logs", "test")
            finally:
                compose.status("down", "--volumes", "--timeout", "1")
