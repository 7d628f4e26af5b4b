from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from fastapi import APIRouter, FastAPI, Request
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import DESCRIPTION, TITLE, VERSION, Settings
from app.core.feature import Feature, State
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio

SETTINGS = FixedSettings(environment="test")


def feature() -> Feature:
    router, root_router = APIRouter(), APIRouter()

    @router.get("/greeting")
    async def greet(request: Request) -> list[str]:
        return [request.state.greeting, *request.scope["passed"]]

    @root_router.get("/greeting")
    async def greet_from_root() -> str:
        return "from the root"

    @asynccontextmanager
    async def lifespan(_: State) -> AsyncGenerator[State]:
        yield {"greeting": "hello"}

    return Feature(
        name="greeting",
        routers=(router,),
        root_routers=(root_router,),
        lifespan=lifespan,
        middleware=(Middleware(Passed, name="outer"), Middleware(Passed, name="inner")),
    )


class Passed:
    def __init__(self, app: ASGIApp, *, name: str) -> None:
        self.app = app
        self.name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("passed", []).append(self.name)
        await self.app(scope, receive, send)


class TestCreateApp:
    async def test_plugs_the_features_in(self) -> None:
        async with serving(SETTINGS, [feature()]) as client:
            in_api = await client.get("http://test/api/v1/greeting")
            in_root = await client.get("http://test/greeting")

        assert in_api.json() == ["hello", "outer", "inner"]
        assert in_root.json() == "from the root"

    async def test_opens_nothing_before_the_start(self) -> None:
        opened = []

        @asynccontextmanager
        async def lifespan(_: State) -> AsyncGenerator[State]:
            opened.append("it")
            yield {}

        app = create_app(SETTINGS, [Feature(name="lazy", lifespan=lifespan)])
        assert opened == []

        async with app.router.lifespan_context(app):
            assert opened == ["it"]

    async def test_does_not_redirect(self) -> None:
        async with serving(SETTINGS, [feature()]) as client:
            assert (await client.get("greeting/")).status_code == 404

    def test_names_the_service(self) -> None:
        app = create_app(SETTINGS, [])

        assert (app.title, app.description, app.version) == (TITLE, DESCRIPTION, VERSION)

    def test_makes_it_as_the_features_want_it(self) -> None:
        options = {"contact": {"name": "Ada"}}
        app = create_app(SETTINGS, [Feature(name="plain"), Feature(name="x", app_options=options)])

        assert app.contact == {"name": "Ada"}

    async def test_describes_the_same_service_when_it_is_late(
        self, settings: Settings, app: FastAPI
    ) -> None:
        late = create_app(settings, enabled_features(settings), is_late=True)

        assert late.openapi() == app.openapi()

    @pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
    async def test_serves_no_documentation_by_itself(self, path: str) -> None:
        async with serving(SETTINGS, []) as client:
            assert (await client.get(f"http://test{path}")).status_code == 404
