from collections.abc import AsyncGenerator
from functools import partial

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from httpx2 import AsyncClient
from starlette.routing import NoMatchFound

from app.bootstrap.factory import create_app
from app.core.feature import Feature, late_router
from app.core.routing import (
    LateRouter,
    PrefixRouter,
    RouteRequirement,
    api_routes,
    load_routers,
    loaded_api_routes,
)
from tests.support import FixedSettings, client_of, serving

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


class TestLateRouter:
    """A service that builds a router's routes with the first request for one of them."""

    @pytest.fixture
    def built(self) -> list[str]:
        return []

    @pytest.fixture
    def app(self, built: list[str]) -> FastAPI:
        def build(prefix: str) -> APIRouter:
            built.append(prefix)
            return add_routes(PrefixRouter(prefix=prefix, tags=[prefix[1:]]))

        routers = tuple(
            LateRouter(prefix, partial(build, prefix)) for prefix in ("/things", "/boxes")
        )
        features = [Feature(name="things", routers=routers)]
        return create_app(FixedSettings(environment="test"), features, is_late=True)

    async def test_is_built_by_the_first_request(self, app: FastAPI, built: list[str]) -> None:
        async with client_of(app, {}) as client:
            assert (await client.get("elsewhere")).status_code == 404
            assert built == []
            answers = [(await client.get(path)).json() for path in ("things", "things/7", "things")]

        assert answers == ["all of things", "things 7", "all of things"]
        assert built == ["/things"]

    async def test_answers_errors_like_any_other(self, app: FastAPI) -> None:
        async with client_of(app, {}) as client:
            wrong = await client.post("things/7")
            missing = await client.get("things/7/8")

        assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")
        assert missing.status_code == 404

    async def test_is_built_by_who_looks_at_all_routes(
        self, app: FastAPI, built: list[str]
    ) -> None:
        assert [*loaded_api_routes(app)] == []
        assert [path for path, _ in api_routes(app)] == [
            "/api/v1/things",
            "/api/v1/things/{number}",
            "/api/v1/boxes",
            "/api/v1/boxes/{number}",
        ]
        assert built == ["/things", "/boxes"]
        assert not load_routers(app)

    async def test_is_built_for_a_path(self, app: FastAPI, built: list[str]) -> None:
        assert load_routers(app, "/api/v1/boxes/3")
        assert not load_routers(app, "/api/v1/boxes/4")
        assert not load_routers(app, "/api/v1/elsewhere")
        assert built == ["/boxes"]

    async def test_has_an_address_before(self, app: FastAPI, built: list[str]) -> None:
        assert app.url_path_for("read", number=7) == "/api/v1/things/7"
        assert built == ["/things", "/boxes"]

        with pytest.raises(NoMatchFound):
            app.url_path_for("unheard of")

    async def test_is_there_from_the_start_otherwise(self) -> None:
        router = LateRouter(
            "/things", lambda: add_routes(PrefixRouter(prefix="/things", tags=["x"]))
        )
        app = create_app(
            FixedSettings(environment="test"), [Feature(name="things", routers=(router,))]
        )

        assert len([*loaded_api_routes(app)]) == 2

    async def test_must_have_the_prefix_that_is_announced(self) -> None:
        router = LateRouter("/boxes", lambda: PrefixRouter(prefix="/things"))

        with pytest.raises(
            ValueError, match="the router of /things is announced as that of /boxes"
        ):
            router.load()


@pytest.mark.parametrize("is_late", [True, False])
async def test_late_router_is_that_of_the_routes_module(*, is_late: bool) -> None:
    feature = Feature(
        name="health",
        root_routers=(late_router("app.modules.health", "/health", "build_router", (), "1"),),
    )
    app = create_app(FixedSettings(environment="test"), [feature], is_late=is_late)

    async with client_of(app, {}) as client:
        response = await client.get("http://test/health/live")

    assert response.json() == {"status": "ok", "release": "1"}
