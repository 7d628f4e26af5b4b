"""Servers that the tests stand on: PostgreSQL from the machine's own programs, and the rendered service itself."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
import trustme

from harness.commands import environment

MISSING = "PostgreSQL is needed: install it (Debian: apt-get install postgresql) or set TEST_DATABASE_URL"
START_SECONDS = 90


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def missing(message: str) -> None:
    """Skip where a developer lacks a server, fail where CI does."""
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def postgresql_programs() -> Path | None:
    """The newest installed version; Debian keeps its servers off PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    found = shutil.which("initdb")
    return versions[-1] if versions else Path(found).resolve().parent if found else None


def unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root, so root runs it as the user that its package made."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a server: the one in TEST_DATABASE_URL, else one of its own on a free port."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    with cluster() as own:
        yield own.url


@contextmanager
def cluster() -> Iterator["Cluster"]:
    """A running PostgreSQL of one's own, to stop and start."""
    programs = postgresql_programs()
    if programs is None:
        missing(MISSING)
    assert programs is not None
    with tempfile.TemporaryDirectory(prefix="slipway-pg-") as name:
        user = unprivileged()
        if user:
            os.chown(name, user["user"], user["group"])
        own = Cluster(programs, Path(name), user)
        own.start()
        try:
            yield own
        finally:
            own.stop()


class Cluster:
    """A PostgreSQL server without the durability that a test has no use for."""

    def __init__(self, programs: Path, folder: Path, user: Mapping[str, Any]) -> None:
        self._programs, self._folder, self._user = programs, folder, user
        self._port, self._data = free_port(), folder / "data"
        self._server: subprocess.Popen[bytes] | None = None
        options = ["-U", "test", "-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run(
            [str(programs / "initdb"), "-D", str(self._data), *options],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            **user,
        )

    @property
    def url(self) -> str:
        """The same after each start."""
        return f"postgresql://test@127.0.0.1:{self._port}/postgres"

    def speak_tls(self, authority: trustme.CA) -> None:
        """With a certificate that only `authority` vouches for, to whoever asks for it."""
        pem = self._folder / "server.pem"
        authority.issue_cert("postgres.invalid").private_key_and_cert_chain_pem.write_to_path(pem)
        pem.chmod(0o600)
        if self._user:
            os.chown(pem, self._user["user"], self._user["group"])
        with psycopg.connect(self.url, autocommit=True) as connection:
            for setting, value in (("ssl_cert_file", pem), ("ssl_key_file", pem), ("ssl", "on")):
                connection.execute(f"ALTER SYSTEM SET {setting} = '{value}'".encode())
            connection.execute("SELECT pg_reload_conf()")

    def start(self) -> None:
        """Returns when it answers."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self._port,
            "unix_socket_directories": self._folder,
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "max_connections": 200,
        }
        settings = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        command, log = [str(self._programs / "postgres"), "-D", str(self._data), *settings], self._folder / "log"
        with log.open("a") as output:
            self._server = subprocess.Popen(command, stderr=output, cwd=self._folder, **self._user)
        try:
            wait_until(lambda: psycopg.connect(self.url).close(), self._server, log)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Breaks off who is connected."""
        if self._server is not None:
            stop(self._server, fast=True)
            self._server = None


@contextmanager
def redis() -> Iterator[str]:
    """The URL of a server: the one in TEST_REDIS_URL, else one of its own on a free port, which keeps nothing."""
    if url := os.environ.get("TEST_REDIS_URL"):
        yield url
        return
    program = shutil.which("redis-server")
    if program is None:
        missing("Redis is needed: install it (Debian: apt-get install redis-server) or set TEST_REDIS_URL")
    with tempfile.TemporaryDirectory(prefix="slipway-redis-") as folder:
        port, log = free_port(), Path(folder) / "log"
        with log.open("w") as output:
            server = subprocess.Popen(
                [str(program), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
                stdout=output,
                stderr=output,
            )
        try:
            wait_until(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), server, log)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            stop(server, fast=True)


@contextmanager
def redis_over_tls(authority: trustme.CA) -> Iterator[str]:
    """The URL of a server of its own that speaks TLS alone, with a certificate that only `authority` vouches for."""
    program = shutil.which("redis-server")
    if program is None:
        missing("Redis is needed: install it (Debian: apt-get install redis-server)")
    with tempfile.TemporaryDirectory(prefix="slipway-redis-") as folder:
        port, log, pem = free_port(), Path(folder) / "log", f"{folder}/server.pem"
        authority.issue_cert("redis.invalid").private_key_and_cert_chain_pem.write_to_path(pem)
        options = ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", "--bind", "127.0.0.1"]
        options += ["--tls-cert-file", pem, "--tls-key-file", pem, "--save", "", "--dir", folder]
        command = [str(program), *options, "--requirepass", "a-password"]
        with log.open("w") as output:
            server = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            wait_until(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), server, log)
            yield f"rediss://:a-password@127.0.0.1:{port}"
        finally:
            stop(server, fast=True)


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """The URL of an empty database, dropped afterwards."""
    name = f"slipway_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@contextmanager
def served(project: Path, **extra: str) -> Iterator[str]:
    """The base URL of a project's service, really started by uvicorn in its own environment."""
    port, log = free_port(), project.parent / f"{project.name}.log"
    python = project / ".venv" / "bin" / "python"
    command = [str(python), "-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--port", str(port)]
    with running(command, project, log, port, **extra):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running(
    command: Sequence[str], project: Path, log: Path, port: int | None = None, /, **extra: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of a project; where it is to listen on a port, once it does."""
    with log.open("w") as output:
        server = subprocess.Popen(command, cwd=project, env=environment(**extra), stdout=output, stderr=output)
    try:
        if port is not None:
            wait_until(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), server, log)
        yield server
    finally:
        stop(server)


def wait_until(ready: Callable[[], object], server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until `ready` raises no more. Raises `RuntimeError` with the log where the server ends or takes too long."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            ready()
        except (OSError, psycopg.OperationalError) as error:
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{server.args!r} did not come up:\n{log.read_text()[-4000:]}") from error
            time.sleep(0.05)
        else:
            return


def stop(server: "subprocess.Popen[bytes]", *, fast: bool = False) -> None:
    """Ask it to stop; kill it where it does not."""
    server.send_signal(2 if fast else 15)
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
        print(f"{server.args!r} had to be killed", file=sys.stderr)
