"""A feature that counts and shows numbers, and whose routes do whatever routes do."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager

from fastapi import WebSocket
from httpx2 import AsyncClient
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from app.core.feature import Feature, State
from app.core.measures import Counter, Histogram, Measured, Reading
from app.core.routing import PrefixRouter
from app.infrastructure.metrics.feature import feature
from app.infrastructure.metrics.settings import MetricsSettings
from tests.support import FixedSettings, serving

TOKEN = "a-token-of-some-length"
BOILED = Counter("kettles_boiled", "Kettles that were boiled.", "colour")
SECONDS = Histogram("kettle_duration_seconds", "How long it took.", buckets=(1, 2))


class Water(Measured):
    litres = 1.5
    poured = 0

    def readings(self, state: State) -> Iterable[Reading]:
        assert "kettle" in state
        yield Reading(name="kettle_litres", description="Of water.", value=self.litres)
        yield from Reading.totals("kettle_cups", "Poured.", "cup", {"big": self.poured})


class Gate:
    """Holds a request until somebody opens it."""

    def __init__(self) -> None:
        self.is_reached = asyncio.Event()
        self.is_open = asyncio.Event()


def kettle(water: Water, gate: Gate, *others: object) -> Feature:
    router = PrefixRouter(prefix="/kettles", tags=["kettles"])

    @router.get("/{name}/boil")
    async def boil(name: str) -> str:
        BOILED.add("red")
        SECONDS.observe(1.5)
        return name

    @router.get("/broken")
    async def fail() -> None:
        raise ZeroDivisionError

    @router.get("/slow")
    async def wait() -> Response:
        gate.is_reached.set()
        await gate.is_open.wait()
        return PlainTextResponse("done")

    @router.get("/stream")
    async def stream() -> Response:
        async def cups() -> AsyncIterator[bytes]:
            yield b"one"
            gate.is_reached.set()
            await gate.is_open.wait()
            yield b"two"

        return StreamingResponse(cups())

    @router.websocket("/talk")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.receive_text()

    @asynccontextmanager
    async def lifespan(_: State) -> AsyncGenerator[State]:
        yield {"kettle": "full"}

    return Feature(
        name="kettle",
        routers=(router,),
        lifespan=lifespan,
        extensions=(BOILED, SECONDS, water, *others),
    )


class Kitchen:
    def __init__(self, client: AsyncClient, water: Water, gate: Gate) -> None:
        self.client = client
        self.water = water
        self.gate = gate

    async def text(self, accept: str = "") -> str:
        headers = {"Accept": accept, "Authorization": f"Bearer {TOKEN}"}
        response = await self.client.get("http://test/metrics", headers=headers)
        assert response.status_code == 200, response.text
        return response.text

    async def numbers(self, name: str) -> dict[tuple[str, ...], float]:
        return numbers(await self.text(), name)

    async def requests(self) -> dict[tuple[str, ...], float]:
        """How many there were, by method, status and route."""
        return await self.numbers("http_server_request_duration_seconds_count")


def numbers(text: str, name: str) -> dict[tuple[str, ...], float]:
    """Those of one name, by the values of its labels in the order of their names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def names(text: str) -> set[str]:
    return set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))


@asynccontextmanager
async def cooking(*others: object, **settings: object) -> AsyncGenerator[Kitchen]:
    """A service with metrics, which asks for the token."""
    water, gate = Water(), Gate()
    metrics = feature(MetricsSettings(token=SecretStr(TOKEN), **settings), deployed=False)
    features = [kettle(water, gate, *others), metrics]
    async with serving(FixedSettings(environment="test"), features) as client:
        yield Kitchen(client, water, gate)
