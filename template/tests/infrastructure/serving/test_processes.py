"""Real servers, real signals."""

import asyncio
import os
import signal
from pathlib import Path

import httpx2
import pytest

from .process import PATIENCE_SECONDS, Server, served, until

pytestmark = pytest.mark.anyio

SIGTERM_EXIT = 128 + 15
HEALTHCHECK_SECONDS = 60


async def waiting(server: Server, folder: Path) -> tuple[asyncio.Task[httpx2.Response], Path]:
    """A request that is being worked on until there is a file at the path."""
    path = folder / "answer"
    request = asyncio.create_task(server.client.get("waiting", params={"path": str(path)}))

    async def has_begun() -> bool:
        return path.with_suffix(".waiting").exists()

    await until(has_begun)
    return request, path


class TestDrain:
    @pytest.mark.parametrize("workers", [1, 2])
    async def test_readiness_turns_red_while_requests_are_answered(
        self, tmp_path: Path, workers: int
    ) -> None:
        """So long a drain that only the second signal can have ended it."""
        longer = {"SERVE_DRAIN_SECONDS": 300, "SERVE_STOP_SECONDS": 400}
        async with served(tmp_path, WEB_CONCURRENCY=workers, **longer) as server:
            before = await server.client.get("pid")
            server.process.terminate()

            async def is_red() -> bool:
                return await server.readiness() == 503

            await until(is_red)
            problem = (await server.client.get(f"http://{server.address}/health/ready")).json()
            during = await server.client.get("pid")
            server.process.terminate()
            await server.end()

        assert "connection" not in before.headers
        assert (problem["type"], problem["detail"]) == (
            "urn:problem:health.not_ready",
            "serving: this process is going to stop",
        )
        assert (during.status_code, during.headers["connection"]) == (200, "close")
        assert "sample closed" not in server.log.read_text()

    @pytest.mark.parametrize("workers", [1, 2])
    async def test_requests_that_are_open_are_answered_before_features_close(
        self, tmp_path: Path, workers: int
    ) -> None:
        environment = {"WEB_CONCURRENCY": workers, "SERVE_DRAIN_SECONDS": 0.1}
        async with served(tmp_path, SERVE_STOP_SECONDS=PATIENCE_SECONDS, **environment) as server:
            request, path = await waiting(server, tmp_path)
            server.process.terminate()

            async def have_heard() -> bool:
                return server.log.read_text().count('"stopping"') == workers

            await until(have_heard)
            path.touch()
            response = await request
            await server.end()

        assert (response.status_code, response.headers["connection"]) == (200, "close")
        assert server.log.read_text().count("sample closed") == workers

    @pytest.mark.parametrize("workers", [1, 2])
    async def test_a_signal_to_each_process_is_one_signal(
        self, tmp_path: Path, workers: int
    ) -> None:
        """Some platforms send it to all; the workers then hear it twice."""
        environment = {"WEB_CONCURRENCY": workers, "SERVE_DRAIN_SECONDS": 0.1}
        async with served(tmp_path, SERVE_STOP_SECONDS=PATIENCE_SECONDS, **environment) as server:
            request, path = await waiting(server, tmp_path)
            os.killpg(server.process.pid, signal.SIGTERM)

            async def have_heard() -> bool:
                log = server.log.read_text()
                handed_on = log.count("Terminated child process")
                return log.count('"stopping"') == workers and handed_on == (workers > 1) * workers

            await until(have_heard)
            path.touch()
            response = await request
            await server.end()

        assert response.status_code == 200
        assert server.log.read_text().count("sample closed") == workers

    async def test_streams_and_sockets_do_not_hold_it_up(self, tmp_path: Path) -> None:
        """Nor do clients that stay connected and ask nothing."""
        async with served(tmp_path, SERVE_STOP_SECONDS=2 * PATIENCE_SECONDS) as server:
            host, port = server.address.split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(
                b"GET /api/v1/socket HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\n"
                b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            await reader.readuntil(b"begun")
            async with server.client.stream("GET", "stream") as response:
                lines = response.aiter_lines()
                heard = [await anext(lines)]
                server.process.terminate()
                heard += [line async for line in lines]
            await reader.read()
            writer.close()
            await server.end()

        assert heard == ["begun", "ended"]
        assert "sample closed" in server.log.read_text()

    async def test_what_does_not_end_is_cut(self, tmp_path: Path) -> None:
        async with served(tmp_path, SERVE_STOP_SECONDS=1) as server:
            async with server.client.stream("GET", "forever") as response:
                lines = response.aiter_lines()
                heard = [await anext(lines)]
                server.process.terminate()
                with pytest.raises(httpx2.RemoteProtocolError):
                    await anext(lines)
            await server.end()

        assert heard == ["begun"]
        assert "sample closed" in server.log.read_text()


class TestImpatience:
    async def test_the_second_signal_ends_it_at_once(self, tmp_path: Path) -> None:
        async with served(tmp_path, SERVE_STOP_SECONDS=2 * PATIENCE_SECONDS) as server:
            request, _ = await waiting(server, tmp_path)
            server.process.terminate()

            async def has_heard() -> bool:
                return '"stopping"' in server.log.read_text()

            await until(has_heard)
            server.process.terminate()
            code = await server.end()
            with pytest.raises(httpx2.TransportError):
                await request

        assert code == SIGTERM_EXIT
        assert "sample closed" not in server.log.read_text()


class TestReplacement:
    @pytest.mark.parametrize("workers", [1, 2])
    async def test_refuses_nobody(self, tmp_path: Path, workers: int) -> None:
        environment = {"WEB_CONCURRENCY": workers, "SERVE_DRAIN_SECONDS": 0.2}
        async with served(tmp_path, SERVE_MAX_REQUESTS=100, **environment) as server:
            seen: set[int] = set()

            async def call_until_replaced() -> None:
                # Only the first are there from the start.
                while len(seen) < workers + 2:
                    response = await server.client.get("pid")
                    assert response.status_code == 200
                    seen.add(response.json())

            async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
                for _ in range(8):
                    tasks.create_task(call_until_replaced())

        assert len(seen) >= workers + 2


class TestSupervision:
    """While a worker is silent that was asked whether it is well."""

    async def test_one_that_is_killed_is_replaced_at_once(self, tmp_path: Path) -> None:
        async with served(tmp_path, WEB_CONCURRENCY=2) as server:
            silent = await self._silence(server)
            os.kill(silent, signal.SIGKILL)

            async def is_replaced() -> bool:
                return server.log.read_text().count("Application startup complete") == 3

            async with asyncio.timeout(HEALTHCHECK_SECONDS / 2):
                await until(is_replaced)
            server.process.terminate()
            code = await server.end()

        assert code == 0
        assert '"exit_code": -9' in server.log.read_text()

    async def test_signals_are_heard(self, tmp_path: Path) -> None:
        async with served(tmp_path, WEB_CONCURRENCY=2) as server:
            silent = await self._silence(server)
            server.process.terminate()

            async def has_heard() -> bool:
                return '"stopping"' in server.log.read_text()

            async with asyncio.timeout(HEALTHCHECK_SECONDS / 2):
                await until(has_heard)
            os.kill(silent, signal.SIGCONT)
            code = await server.end()

        assert code == 0

    async def _silence(self, server: Server) -> int:
        """The process id of one that no longer gets any time; until it will have been asked."""
        pid: int = (await server.client.get("pid")).json()
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(2)
        return pid
