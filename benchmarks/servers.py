"""The servers that are measured, each one uvicorn worker on the loopback address, and the data they read."""

import http.client
import json
import secrets
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psycopg
from harness.commands import environment
from harness.servers import free_port, stop, wait_until

HERE = Path(__file__).resolve().parent

BOOKS = 60
NOISE_OWNERS = 10
NOISE_BOOKS = 1000

_UVICORN = ("-m", "uvicorn", "--no-access-log", "--no-server-header", "--log-level", "warning")


@dataclass(frozen=True)
class Server:
    port: int
    pid: int


def production(database: str) -> dict[str, str]:
    """What a deployed service is given; everything else is its default."""
    return {
        "ENVIRONMENT": "production",
        "DATABASE_URL": database,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DOCS_ENABLED": "false",
        # Asked for where there are mails and other providers; none is used.
        "EMAIL_SMTP_HOST": "127.0.0.1",
        "EMAIL_SENDER": "service@example.com",
        "EMAIL_LINK_URL": "https://app.example.com",
        "STORAGE_BUCKET": "unused",
        "OAUTH_REDIRECT_URL": "https://app.example.com/login/{provider}",
        "PYTHONPATH": str(HERE),
    }


@contextmanager
def service(project: Path, variables: Mapping[str, str]) -> Iterator[Server]:
    """The rendered service, as its image starts it."""
    with _serving(project, ["-m", "app.cli", "serve", "--host", "127.0.0.1"], variables) as server:
        yield server


@contextmanager
def beside(app: str, project: Path, variables: Mapping[str, str]) -> Iterator[Server]:
    """An application of this folder, in the environment of the service."""
    with _serving(project, [*_UVICORN, app], variables) as server:
        yield server


@contextmanager
def _serving(project: Path, command: Sequence[str], variables: Mapping[str, str]) -> Iterator[Server]:
    port, log = free_port(), project.parent / f"{command[-1].replace(':', '-')}.log"
    python = project / ".venv" / "bin" / "python"
    # Log lines are written as in production, and thrown away.
    with log.open("w") as errors:
        process = subprocess.Popen(
            [python, *command, "--port", str(port)],
            cwd=project,
            env=environment(**variables),
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    try:
        wait_until(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), process, log)
        yield Server(port, process.pid)
    finally:
        stop(process)


def register(server: Server) -> tuple[str, str]:
    """One user, made through the API; the password and an access token."""
    password = secrets.token_urlsafe(16)
    account = {"name": "Ada Lovelace", "username": "ada", "email": "ada@example.com"}
    _post(server, "users", json.dumps({**account, "password": password}), None)
    form = urllib.parse.urlencode({"username": "ada", "password": password})
    return password, str(_post(server, "auth/token", form, None)["access_token"])


def log_in(server: Server, token: str, password: str) -> dict[str, str]:
    """The header of each kind of credential that the service takes."""
    login = json.dumps({"username": "ada", "password": password})
    with _request(server, "session", login, None) as response:
        cookie = response.headers["Set-Cookie"].partition(";")[0]
    key = _post(server, "api-keys", json.dumps({"name": "benchmark", "scopes": ["profile:read"]}), token)["key"]
    return {
        "access token": f"Authorization: Bearer {token}",
        "cookie": f"Cookie: {cookie}",
        "API key": f"X-API-Key: {key}",
    }


def seed(server: Server, database: str) -> tuple[str, str]:
    """One user with books, made through the API, among the books of others; a password and a token."""
    password, token = register(server)
    for number in range(BOOKS):
        book = {
            "title": f"The history of the harbour, volume {number}",
            "author": "Ada Lovelace",
            "isbn": _isbn(number),
            "published_in": 1900 + number,
            "description": "Berths, pilots and tugs, and the people ashore. " * 3,
        }
        _post(server, "books", json.dumps(book), token)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_NOISE, {"owners": NOISE_OWNERS, "books": NOISE_BOOKS})
        connection.execute("VACUUM ANALYZE")
    return password, token


_NOISE = """
WITH owner AS (
    INSERT INTO user_account (id, name, username, email)
    SELECT md5(n::text)::uuid, 'Owner ' || n, 'owner' || n, 'owner' || n || '@example.com'
    FROM generate_series(1, %(owners)s) AS n
)
INSERT INTO book (id, owner_id, title, author, isbn, description)
SELECT gen_random_uuid(), md5((1 + n %% %(owners)s)::text)::uuid, 'Title', 'Author', lpad(n::text, 13, '0'), 'Words.'
FROM generate_series(1, %(books)s) AS n
"""


def _isbn(number: int) -> str:
    digits = f"978{number:09}"
    weighted = sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(digits))
    return f"{digits}{-weighted % 10}"


def _post(server: Server, path: str, body: str, token: str | None) -> dict[str, Any]:
    with _request(server, path, body, token) as response:
        return dict(json.load(response))


def _request(server: Server, path: str, body: str, token: str | None) -> http.client.HTTPResponse:
    kind = "application/json" if body.startswith("{") else "application/x-www-form-urlencoded"
    headers = {"Content-Type": kind}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    url = f"http://127.0.0.1:{server.port}/api/v1/{path}"
    request = urllib.request.Request(url, body.encode(), headers)
    return cast("http.client.HTTPResponse", urllib.request.urlopen(request, timeout=30))  # noqa: S310 (our own server)
