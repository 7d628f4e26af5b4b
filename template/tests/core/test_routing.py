from collections.abc import AsyncGenerator

import pytest
from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from httpx2 import AsyncClient

from app.core.feature import Feature
from app.core.routing import PrefixRouter, RouteRequirement
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio


def add_routes(router: APIRouter) -> APIRouter:
    @router.get("")
    async def list_all() -> str:
        return f"all of {router.tags[0]}"

    @router.get("/{number}")
    async def read(number: int) -> str:
        return f"{router.tags[0]} {number}"

    return router


@pytest.fixture(params=[PrefixRouter, APIRouter])
async def client(request: pytest.FixtureRequest) -> AsyncGenerator[AsyncClient]:
    """The same routes in our router and in FastAPI's own."""
    kind: type[APIRouter] = request.param
    routers = (
        add_routes(kind(prefix="/things", tags=["things"])),
        add_routes(kind(prefix="/boxes/{box}/things", tags=["boxed"])),
        add_routes(kind(prefix="/things-of-old", tags=["old"])),
    )
    settings = FixedSettings(environment="test")
    async with serving(settings, [Feature(name="things", routers=routers)]) as client:
        yield client


class TestPrefixRouter:
    """What it answers is what FastAPI's own router answers."""

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("things", "all of things"),
            ("things/7", "things 7"),
            ("boxes/3/things", "all of boxed"),
            ("boxes/3/things/7", "boxed 7"),
            ("things-of-old/7", "old 7"),
        ],
    )
    async def test_finds_the_route(self, client: AsyncClient, path: str, expected: str) -> None:
        response = await client.get(path)

        assert response.status_code == 200
        assert response.json() == expected

    @pytest.mark.parametrize("path", ["thing", "things/", "boxes/3", "things/7/8", "things-of-ol"])
    async def test_answers_404_to_an_unknown_path(self, client: AsyncClient, path: str) -> None:
        assert (await client.get(path)).status_code == 404

    async def test_answers_405_to_another_method(self, client: AsyncClient) -> None:
        response = await client.delete("boxes/3/things/7")

        assert response.status_code == 405
        assert response.headers["allow"] == "GET"

    async def test_answers_422_to_an_invalid_path_parameter(self, client: AsyncClient) -> None:
        assert (await client.get("things/seven")).status_code == 422


class SpecialRoute(APIRoute):
    pass


class Special(RouteRequirement):
    route_class = SpecialRoute

    async def __call__(self) -> None:
        pass


async def nothing() -> None:
    pass


class TestRouteRequirement:
    """What is listed gets routes of the class that it needs."""

    def test_of_a_route_holds_for_that_one(self) -> None:
        router = PrefixRouter(prefix="/things", dependencies=[Depends(nothing)])
        router.get("/special", dependencies=[Depends(Special())])(nothing)
        router.get("/plain", dependencies=[Depends(nothing)])(nothing)

        assert [type(route) for route in router.routes] == [SpecialRoute, APIRoute]

    def test_of_a_router_holds_for_all(self) -> None:
        router = PrefixRouter(prefix="/things", dependencies=[Depends(Special())])
        router.get("/one")(nothing)
        router.post("/two")(nothing)

        assert [type(route) for route in router.routes] == [SpecialRoute, SpecialRoute]
