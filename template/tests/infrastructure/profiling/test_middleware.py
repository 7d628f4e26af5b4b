import asyncio
import sys
from collections.abc import AsyncGenerator
from time import perf_counter
from typing import Annotated

import pytest
from fastapi import APIRouter, Body
from httpx2 import AsyncClient
from structlog.testing import capture_logs

from app.core.feature import Feature
from app.core.settings import Environment
from app.infrastructure.profiling.feature import feature
from app.infrastructure.profiling.settings import ProfilingSettings
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio

router = APIRouter()
done: list[str] = []


def boil_water() -> None:
    until = perf_counter() + 0.02
    while perf_counter() < until:
        pass


def steep_leaves() -> None:
    until = perf_counter() + 0.02
    while perf_counter() < until:
        pass


class Meeting:
    """Of two requests, each of which waits until the other one is there."""

    def __init__(self) -> None:
        self.count = 0
        self.complete = asyncio.Event()

    async def __call__(self) -> None:
        self.count += 1
        if self.count == 2:
            self.complete.set()
        await self.complete.wait()


meetings: list[Meeting] = []


@router.get("/water")
async def boil() -> str:
    boil_water()
    for meeting in meetings:
        await meeting()
        boil_water()
    return "water"


@router.get("/leaves")
async def steep() -> str:
    steep_leaves()
    for meeting in meetings:
        await meeting()
        steep_leaves()
    return "leaves"


@router.post("/cups", status_code=201)
async def fill(name: Annotated[str, Body()]) -> str:
    boil_water()
    done.append(name)
    return name


@router.get("/defect")
async def fail() -> None:
    raise ZeroDivisionError


FEATURES = [
    Feature(name="tea", routers=(router,)),
    feature(ProfilingSettings(), environment=Environment.DEVELOPMENT),
]


@pytest.fixture(scope="module")
async def client() -> AsyncGenerator[AsyncClient]:
    async with serving(FixedSettings(environment="test"), FEATURES) as client:
        yield client


class TestProfile:
    async def test_is_text(self, client: AsyncClient) -> None:
        response = await client.get("water", headers={"x-profile": "text"})

        assert response.status_code == 200
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert response.headers["x-profiled-status"] == "200"
        assert "boil_water" in response.text

    async def test_is_a_page_that_may_run_its_own_script_alone(self, client: AsyncClient) -> None:
        response = await client.get("water", headers={"x-profile": "HTML"})

        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert response.headers["content-security-policy"].startswith(
            "default-src 'none'; script-src 'unsafe-inline';"
        )
        assert "boil_water" in response.text
        assert 'src="http' not in response.text

    async def test_is_for_speedscope(self, client: AsyncClient) -> None:
        response = await client.get("water", headers={"x-profile": "speedscope"})

        assert response.headers["content-type"] == "application/json"
        names = [frame["name"] for frame in response.json()["shared"]["frames"]]
        assert "boil_water" in names

    async def test_is_of_a_request_that_is_done(self, client: AsyncClient) -> None:
        done.clear()
        response = await client.post("cups", json="Ada", headers={"x-profile": "text"})

        assert response.headers["x-profiled-status"] == "201"
        assert done == ["Ada"]

    async def test_of_several_at_once_is_that_of_each(self, client: AsyncClient) -> None:
        meetings[:] = [Meeting(), Meeting()]
        water, leaves = await asyncio.gather(
            client.get("water", headers={"x-profile": "text"}),
            client.get("leaves", headers={"x-profile": "text"}),
        )
        meetings.clear()

        assert ("boil_water" in water.text, "steep_leaves" in water.text) == (True, False)
        assert ("boil_water" in leaves.text, "steep_leaves" in leaves.text) == (False, True)

    async def test_does_not_hide_a_defect(self, client: AsyncClient) -> None:
        with capture_logs():
            response = await client.get("defect", headers={"x-profile": "text"})
        again = await client.get("water", headers={"x-profile": "text"})

        assert response.status_code == 500
        assert again.status_code == 200

    async def test_must_be_asked_for(self, client: AsyncClient) -> None:
        response = await client.get("water")

        assert response.json() == "water"
        assert "x-profiled-status" not in response.headers

    @pytest.mark.parametrize("kind", ["", "flame", "text, html"])
    async def test_of_another_kind_is_refused(self, client: AsyncClient, kind: str) -> None:
        response = await client.get("water", headers={"x-profile": kind})

        assert response.status_code == 400
        assert response.json()["type"] == "urn:problem:profiling.unknown"
        assert response.json()["detail"] == "X-Profile must be one of: html, speedscope, text."

    async def test_says_what_is_missing(
        self, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # How Python marks what cannot be imported.
        monkeypatch.setitem(sys.modules, "pyinstrument", None)
        response = await client.get("water", headers={"x-profile": "text"})

        assert response.status_code == 503
        assert response.json()["detail"] == (
            "pyinstrument is not installed; it is in the dev group: run `uv sync`."
        )
