"""What a supervisor hands a process, and hears from it: played by the tests."""

import asyncio
import os
import socket
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest

from app.infrastructure.serving.supervisor import inherited_sockets

from .process import PATIENCE_SECONDS, served

pytestmark = pytest.mark.anyio


@pytest.fixture
def listener() -> Generator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


class TestInheritedSockets:
    @pytest.mark.parametrize("workers", [1, 2])
    async def test_keep_who_comes_while_the_process_is_replaced(
        self, tmp_path: Path, listener: socket.socket, workers: int
    ) -> None:
        async with served(tmp_path, listener, WEB_CONCURRENCY=workers) as server:
            former = (await server.client.get("pid")).json()
            server.process.terminate()
            await server.end()
        log = server.log.read_text()
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET /api/v1/pid HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        async with served(tmp_path, listener, WEB_CONCURRENCY=workers):
            answer = (await reader.read()).decode()
        writer.close()

        assert "serving what listens already" in log
        assert answer.startswith("HTTP/1.1 200 OK")
        assert answer.splitlines()[-1] != str(former)

    async def test_are_all_served(self, tmp_path: Path, listener: socket.socket) -> None:
        path = str(tmp_path / "socket")
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
            other.listen()
            async with served(tmp_path, listener, other) as server:
                first = await server.client.get("pid")
                transport = httpx2.AsyncHTTPTransport(uds=path)
                async with httpx2.AsyncClient(
                    transport=transport, base_url="http://test"
                ) as client:
                    second = await client.get("/api/v1/pid")

        assert (first.status_code, second.status_code) == (200, 200)
        assert first.json() == second.json()

    def test_are_of_the_process_that_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LISTEN_PID", str(os.getppid()))
        monkeypatch.setenv("LISTEN_FDS", "1")

        assert inherited_sockets() == []
        assert "LISTEN_FDS" not in os.environ

    def test_may_be_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("LISTEN_PID", raising=False)

        assert inherited_sockets() == []


class TestReadiness:
    @pytest.mark.parametrize(("name", "address"), [("@{}", "\0{}"), ("{}", "{}")])
    async def test_is_told(self, tmp_path: Path, name: str, address: str) -> None:
        """An abstract name, or one in the file system."""
        path = str(tmp_path / "supervisor")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
            supervisor.bind(address.format(path))
            supervisor.settimeout(PATIENCE_SECONDS)
            async with served(tmp_path, NOTIFY_SOCKET=name.format(path)):
                heard = supervisor.recv(100)

        assert heard == b"READY=1"

    async def test_that_nobody_hears_of_is_logged(self, tmp_path: Path) -> None:
        async with served(tmp_path, NOTIFY_SOCKET=tmp_path / "nobody") as server:
            response = await server.client.get("pid")

        assert response.status_code == 200
        assert "nobody heard that the service is ready" in server.log.read_text()
