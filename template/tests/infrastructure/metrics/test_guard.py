import asyncio
import socket
import sys

import pytest
from httpx2 import AsyncClient
from pydantic import SecretStr

from app.bootstrap.lifespan import open_features
from app.core.feature import Process
from app.infrastructure.metrics.feature import feature
from app.infrastructure.metrics.settings import MetricsSettings
from tests.servers import free_port
from tests.support import FixedSettings, serving

from .kettle import BOILED, TOKEN, Gate, Water, kettle, numbers

pytestmark = pytest.mark.anyio

PATH = "http://test/metrics"
SETTINGS = FixedSettings(environment="test")
GUARDED = MetricsSettings(token=SecretStr(TOKEN))


async def status(settings: MetricsSettings, *, deployed: bool) -> int:
    async with serving(SETTINGS, [feature(settings, deployed=deployed)]) as client:
        return (await client.get(PATH)).status_code


class TestPath:
    async def test_is_open_in_development(self) -> None:
        assert await status(MetricsSettings(), deployed=False) == 200

    async def test_is_not_there_where_deployed(self) -> None:
        assert await status(MetricsSettings(), deployed=True) == 404

    async def test_asks_for_the_token_everywhere(self) -> None:
        for deployed in (False, True):
            assert await status(GUARDED, deployed=deployed) == 401

    async def test_is_not_there_beside_a_listener(self) -> None:
        port = free_port()
        settings = MetricsSettings(port=port)

        assert await status(settings, deployed=False) == 404

    async def test_is_no_part_of_the_api(self) -> None:
        async with serving(SETTINGS, [feature(GUARDED, deployed=True)]) as client:
            app = client._transport.app  # type: ignore[attr-defined]  # noqa: SLF001
            assert app is not None
            assert (await client.get("metrics")).status_code == 404
            assert (await client.post(PATH)).status_code == 405


class TestToken:
    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            (f"Bearer {TOKEN}", 200),
            (f"bearer {TOKEN}", 200),
            (f"Basic {TOKEN}", 401),
            (f"Bearer {TOKEN}x", 401),
            (f"Bearer {TOKEN[:-1]}", 401),
            ("Bearer ümläut", 401),
            ("Bearer", 401),
            (TOKEN, 401),
            ("", 401),
        ],
    )
    async def test_is_compared(self, header: str, expected: int) -> None:
        async with serving(SETTINGS, [feature(GUARDED, deployed=True)]) as client:
            headers = {b"Authorization": header.encode()}
            assert (await client.get(PATH, headers=headers)).status_code == expected

    async def test_that_is_wrong_is_a_problem(self) -> None:
        async with serving(SETTINGS, [feature(GUARDED, deployed=True)]) as client:
            response = await client.get(PATH)

        assert response.headers["www-authenticate"] == 'Bearer realm="metrics"'
        assert response.headers["content-type"] == "application/problem+json"
        body = response.json()
        assert body["detail"] == "The metrics ask for METRICS_TOKEN as a bearer token."

    def test_must_be_long_where_deployed(self) -> None:
        (refusal,) = MetricsSettings(token=SecretStr("short")).refusals()

        assert refusal.startswith("METRICS_TOKEN must have at least 16 characters")
        assert GUARDED.refusals() == MetricsSettings().refusals() == []


class TestAddress:
    async def test_may_be_any_host(self) -> None:
        settings = FixedSettings(environment="test", trusted={"hosts": "api.example.com"})
        async with serving(settings, [feature(MetricsSettings(), deployed=False)]) as client:
            response = await client.get(PATH, headers={"Host": "10.0.0.7:8000"})

        assert response.status_code == 200


class TestListener:
    async def test_shows_the_numbers(self) -> None:
        port = free_port()
        features = [
            kettle(Water(), Gate()),
            feature(MetricsSettings(port=port), deployed=True),
        ]
        url = f"http://127.0.0.1:{port}"
        async with serving(SETTINGS, features), AsyncClient() as client:
            BOILED.add("red")
            response = await client.get(f"{url}/metrics?a=b")

            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
            assert numbers(response.text, "kettles_boiled_total") == {("red",): 1}
            assert (await client.get(url)).status_code == 404

    async def test_asks_for_the_token_if_there_is_one(self) -> None:
        port = free_port()
        settings = MetricsSettings(port=port, token=SecretStr(TOKEN))
        async with serving(SETTINGS, [feature(settings, deployed=True)]), AsyncClient() as client:
            url = f"http://127.0.0.1:{port}/metrics"
            refused = await client.get(url)
            allowed = await client.get(url, headers={"Authorization": f"Bearer {TOKEN}"})

        assert (refused.status_code, allowed.status_code) == (401, 200)
        assert refused.headers["www-authenticate"] == 'Bearer realm="metrics"'
        assert refused.json() == {"type": "about:blank", "title": "Unauthorized", "status": 401}

    async def test_of_a_worker_has_a_port_of_its_own(self) -> None:
        port = free_port()
        settings = MetricsSettings(worker_port=port)
        features = [kettle(Water(), Gate()), feature(settings, deployed=True)]
        async with open_features(features, works=True), AsyncClient() as client:
            response = await client.get(f"http://127.0.0.1:{port}/metrics")

        assert numbers(response.text, "kettle_litres") == {(): 1.5}

    async def test_says_what_to_do_when_the_port_is_taken(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            settings = MetricsSettings(port=port)
            with pytest.raises(OSError, match=r"choose another one with METRICS_PORT"):
                async with serving(SETTINGS, [feature(settings, deployed=True)]):
                    raise AssertionError


class TestOff:
    async def test_keeps_no_numbers(self) -> None:
        off = feature(MetricsSettings(), deployed=True)

        assert (off.outer_middleware, off.root_routers, off.extensions) == ((), (), ())
        for process in ({"serves": True}, {"works": True}, {}):
            async with open_features([off], **process) as state:
                assert "meter" not in state

    def test_shares_nothing(self) -> None:
        supervising = feature(MetricsSettings(), deployed=True).supervising
        assert supervising is not None
        for process in Process:
            with supervising(process) as environment:
                assert environment == {}

    async def test_does_not_import_the_library(self) -> None:
        code = (
            "import sys; import app.infrastructure.metrics.feature; "
            "sys.exit('prometheus_client' in sys.modules)"
        )
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)

        assert await process.wait() == 0
