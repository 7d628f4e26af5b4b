from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, cast

import httpx2
import pytest
from fastapi import APIRouter, Depends
from pydantic import BaseModel
from starlette.requests import Request

from app.core.extensions import Extensions
from app.core.feature import Feature, State
from app.infrastructure.http_client.clients import http_clients_of
from app.infrastructure.http_client.dependencies import (
    GuardedClientDep,
    HttpClientDep,
    HttpClientsDep,
)
from app.infrastructure.http_client.errors import UPSTREAM_ERRORS, AddressRefusedError
from app.infrastructure.http_client.feature import feature, user_agent
from app.infrastructure.http_client.settings import HttpClientSettings
from app.infrastructure.http_client.upstream import Upstream
from app.modules.common.problems import raises
from tests.infrastructure.http_client.servers import LocalServer, hang, reply
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio


class Forecast(BaseModel):
    celsius: float


class WeatherService:
    """An owner's adapter, as the guide shows it."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def forecast(self, city: str) -> Forecast:
        return await self._upstream.get(
            "cities/{city}/forecast", values={"city": city}, params={"days": 3}, model=Forecast
        )


async def get_weather(request: Request) -> WeatherService:
    return cast("WeatherService", request.state.weather)


WeatherDep = Annotated[WeatherService, Depends(get_weather)]

router = APIRouter(prefix="/forecasts")


@router.get("/{city}", responses=raises(*UPSTREAM_ERRORS))
async def read_forecast(city: str, weather: WeatherDep) -> Forecast:
    return await weather.forecast(city)


@router.get("/{city}/calls")
async def count_calls(city: str, client: HttpClientDep, clients: HttpClientsDep) -> int:
    assert client is clients.pooled
    return clients.counters["weather"].requests + len(city)


@router.post("/calls", responses=raises(*UPSTREAM_ERRORS, AddressRefusedError))
async def call(url: str, client: GuardedClientDep) -> int:
    return (await client.post(url, b"{}")).status


def weather_feature(url: str) -> Feature:
    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        upstream = http_clients_of(state).upstream("weather", url, headers={"X-Key": "hunter2"})
        yield {"weather": WeatherService(upstream)}

    return Feature(name="weather", routers=(router,), lifespan=lifespan)


@pytest.fixture
async def client(server: LocalServer) -> AsyncGenerator[httpx2.AsyncClient]:
    settings = HttpClientSettings(
        circuit_failures=2,
        # One of these tests waits for it, and the others must not on a busy machine.
        deadline_seconds=2,
        attempts=1,
        allowed_networks=("127.0.0.1/32",),
    )
    features = [feature(settings, title="Kitchen"), weather_feature(server.url)]
    async with serving(FixedSettings(environment="test"), features) as client:
        yield client


class TestService:
    async def test_answers_with_what_another_one_says(
        self, client: httpx2.AsyncClient, server: LocalServer
    ) -> None:
        server.answers(reply(body=b'{"celsius": 21}'))
        response = await client.get("forecasts/Turin", headers={"x-request-id": "request-0001"})

        assert (response.status_code, response.json()) == (200, {"celsius": 21})
        (received,) = server.received
        assert received.target == "/cities/Turin/forecast?days=3"
        assert received.headers["x-request-id"] == "request-0001"
        assert received.headers["x-key"] == "hunter2"
        assert received.headers["user-agent"] == "Kitchen"

    async def test_answers_502_without_its_words_and_then_503(
        self, client: httpx2.AsyncClient, server: LocalServer
    ) -> None:
        server.answers(reply(500, b"hunter2 is wrong"))
        answers = [await client.get("forecasts/Turin") for _ in range(3)]

        assert [answer.status_code for answer in answers] == [502, 502, 503]
        assert answers[0].json()["type"] == "urn:problem:upstream.failed"
        assert answers[2].json()["type"] == "urn:problem:upstream.unavailable"
        assert 1 <= int(answers[2].headers["retry-after"]) <= 30
        assert "hunter2" not in "".join(answer.text for answer in answers)
        assert len(server.received) == 2

    async def test_answers_504_to_silence(
        self, client: httpx2.AsyncClient, server: LocalServer
    ) -> None:
        server.answers(hang)
        response = await client.get("forecasts/Turin")

        assert response.status_code == 504
        assert response.json()["type"] == "urn:problem:upstream.timeout"

    async def test_answers_422_to_an_address_of_our_own(self, client: httpx2.AsyncClient) -> None:
        response = await client.post(
            "forecasts/calls", params={"url": "http://169.254.169.254/hunter2"}
        )

        assert response.status_code == 422
        assert response.json()["type"] == "urn:problem:address.refused"
        assert "169.254" not in response.text
        assert "hunter2" not in response.text

    async def test_counts_what_it_asks(self, client: httpx2.AsyncClient) -> None:
        await client.get("forecasts/Turin")

        assert (await client.get("forecasts/Turin/calls")).json() == 1 + 5

    async def test_documents_what_it_answers(self) -> None:
        assert {int(status) for status in raises(*UPSTREAM_ERRORS, AddressRefusedError)} == {
            422,
            502,
            503,
            504,
        }

    async def test_closes_its_connections(self, server: LocalServer) -> None:
        lifespan = feature(HttpClientSettings(), title="Kitchen").lifespan
        assert lifespan is not None
        async with lifespan({"extensions": Extensions()}) as state:
            clients = http_clients_of(state)
            await clients.pooled.get(server.url)

        assert clients.pooled.is_closed


class TestUserAgent:
    @pytest.mark.parametrize(
        ("title", "expected"),
        [
            ("Kitchen", "Kitchen"),
            ("My Shop 2.0 (beta)", "My-Shop-2.0-beta"),
            ("Café\r\nX-Evil: 1", "Caf-X-Evil-1"),
            ("天気", "service"),
        ],
    )
    def test_is_one_word(self, title: str, expected: str) -> None:
        assert user_agent(title) == expected
