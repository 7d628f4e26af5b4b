import asyncio

import pytest
from httpx2 import AsyncClient
from structlog.testing import capture_logs

from app.core.routing import API_PREFIX

from .kettle import Kitchen, cooking

pytestmark = pytest.mark.anyio

ROUTE = API_PREFIX + "/kettles/{name}/boil"


async def boil(client: AsyncClient, name: str) -> None:
    assert (await client.get(f"kettles/{name}/boil")).status_code == 200


class TestLabels:
    async def test_are_the_route_and_not_the_path(self) -> None:
        async with cooking() as kitchen:
            await boil(kitchen.client, "one")
            await boil(kitchen.client, "two")

            assert await kitchen.requests() == {("GET", "200", ROUTE): 2}

    async def test_do_not_grow_with_what_strangers_think_of(self) -> None:
        async with cooking() as kitchen:
            for number in range(3):
                await kitchen.client.get(f"nowhere/{number}")
                await kitchen.client.request(f"BREW{number}", "nowhere")

            assert await kitchen.requests() == {
                ("GET", "404", "unmatched"): 3,
                ("_OTHER", "404", "unmatched"): 3,
            }

    async def test_of_a_defect_are_those_of_its_answer(self) -> None:
        async with cooking() as kitchen:
            with capture_logs():
                await kitchen.client.get("kettles/broken")

            assert await kitchen.requests() == {("GET", "500", f"{API_PREFIX}/kettles/broken"): 1}

    async def test_of_a_refusal_by_middleware_are_those_of_its_answer(self) -> None:
        async with cooking() as kitchen:
            headers = {"Content-Length": str(10**9)}
            response = await kitchen.client.post("kettles/red/boil", headers=headers, content=b"")

            assert response.status_code == 413
            assert await kitchen.requests() == {("POST", "413", "unmatched"): 1}


class TestDuration:
    async def test_is_in_buckets(self) -> None:
        async with cooking() as kitchen:
            await boil(kitchen.client, "one")
            buckets = await kitchen.numbers("http_server_request_duration_seconds_bucket")
            sums = await kitchen.numbers("http_server_request_duration_seconds_sum")

        assert buckets["GET", "200", ROUTE, "+Inf"] == 1
        assert len(buckets) == 15
        assert sums["GET", "200", ROUTE] > 0

    async def test_ends_with_the_answer(self) -> None:
        async with cooking() as kitchen:
            streaming = asyncio.create_task(kitchen.client.get("kettles/stream"))
            await kitchen.gate.is_reached.wait()
            assert await kitchen.requests() == {}
            kitchen.gate.is_open.set()
            assert (await streaming).text == "onetwo"

            assert list((await kitchen.requests()).values()) == [1]


class TestProbes:
    async def test_are_not_counted(self) -> None:
        async with cooking() as kitchen:
            await kitchen.text()
            await kitchen.text()

            assert await kitchen.requests() == {}


class TestOpen:
    async def test_requests_are_shown(self) -> None:
        async with cooking() as kitchen:
            waiting = asyncio.create_task(kitchen.client.get("kettles/slow"))
            await kitchen.gate.is_reached.wait()
            during = await active(kitchen)
            kitchen.gate.is_open.set()
            await waiting

            assert (during, await active(kitchen)) == (1, 0)

    async def test_requests_that_break_off_are_not(self) -> None:
        async with cooking() as kitchen:
            waiting = asyncio.create_task(kitchen.client.get("kettles/slow"))
            await kitchen.gate.is_reached.wait()
            waiting.cancel()
            await asyncio.wait([waiting])

            assert await active(kitchen) == 0
            assert list(await kitchen.requests()) == [("GET", "500", f"{API_PREFIX}/kettles/slow")]

    async def test_connections_are_shown(self) -> None:
        async with cooking() as kitchen:
            messages: asyncio.Queue[dict[str, str]] = asyncio.Queue()
            sent: asyncio.Queue[object] = asyncio.Queue()
            app = kitchen.client._transport.app  # type: ignore[attr-defined]  # noqa: SLF001
            scope = {
                "type": "websocket",
                "path": f"{API_PREFIX}/kettles/talk",
                "headers": [],
                "query_string": b"",
                "subprotocols": [],
            }
            await messages.put({"type": "websocket.connect"})
            talking = asyncio.create_task(app(scope, messages.get, sent.put))
            await sent.get()
            during = await kitchen.numbers("websocket_connections")
            await messages.put({"type": "websocket.receive", "text": "bye"})
            await talking

            assert during == {(): 1}
            assert await kitchen.numbers("websocket_connections") == {(): 0}
            assert await kitchen.requests() == {}


async def active(kitchen: Kitchen) -> float:
    return (await kitchen.numbers("http_server_active_requests"))[()]
