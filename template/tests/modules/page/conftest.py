from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastapi import APIRouter, HTTPException, Response
from httpx2 import AsyncClient
from starlette.types import Receive, Scope, Send

from app.bootstrap.factory import create_app
from app.core.errors import UnavailableError
from app.core.feature import Feature
from app.infrastructure.docs.feature import feature as docs_feature
from app.infrastructure.docs.settings import DocsSettings
from app.modules.page.dependencies import PagesDep
from app.modules.page.extension import PageFolder, PageLink
from app.modules.page.feature import feature
from app.modules.page.routing import PageRouter
from app.modules.page.settings import PageSettings
from tests.modules.page.visitor import Inbox
from tests.support import FixedSettings, client_of

SETTINGS = FixedSettings(environment="test")


class ClosedError(UnavailableError):
    code, title = "shop.closed", "The shop is closed"
    headers: Mapping[str, str] = {"X-Shop": "<closed>"}


def shop_pages() -> PageRouter:
    """An owner's pages."""
    router = PageRouter()

    @router.get("/shop")
    async def shop(pages: PagesDep, name: str = "") -> Response:
        return pages.render("shop.html", name=name)

    @router.get("/shop/goods/{number}")
    async def goods(pages: PagesDep, number: int) -> Response:
        return pages.render("shop.html", name=str(number))

    @router.get("/shop/two/forms")
    async def two_forms(pages: PagesDep) -> Response:
        return pages.render("forms.html")

    @router.post("/shop/two/forms")
    async def leave(pages: PagesDep) -> Response:
        return pages.redirect("/shop")

    @router.get("/shop/{what}")
    async def fail(what: str) -> Response:
        if what == "closed":
            raise ClosedError("Come <back> later.", retry_after_seconds=30)
        if what == "tea":
            raise HTTPException(418, {"why": "<b>tea</b>"})
        raise ZeroDivisionError

    return router


def shop_api() -> APIRouter:
    router = APIRouter()

    @router.get("/closed")
    async def fail(number: int = 0) -> Response:  # noqa: ARG001 (is refused)
        raise ClosedError("Come back later.", retry_after_seconds=30)

    return router


def shop(folder: Path, *more: object) -> Feature:
    templates = folder / "templates"
    templates.mkdir(exist_ok=True)
    (templates / "shop.html").write_text(
        '[% extends "base.html" %][% block heading %]Shop[% endblock %]'
        "[% block content %]<p>[[ name ]]</p>[% endblock %]"
    )
    (templates / "forms.html").write_text("[[ csrf_field() ]][[ csrf_field() ]]")
    return Feature(
        name="shop",
        routers=(shop_api(),),
        root_routers=(shop_pages(),),
        extensions=(PageFolder(folder), PageLink("Shop", "/shop", "All we <sell>."), *more),
    )


@asynccontextmanager
async def visiting(
    features: Sequence[Feature] = (),
    *,
    deployed: bool = False,
    secure_cookies: bool = True,
    base_url: str = "https://test",
    root_path: str = "",
) -> AsyncGenerator[AsyncClient]:
    """A service with pages, and a browser without cookies."""
    docs, settings = DocsSettings(), PageSettings(secure_cookies=secure_cookies)
    page = feature(settings, docs, deployed=deployed)
    others = [docs_feature(docs, title="Kettles", deployed=deployed), *features]
    app = create_app(SETTINGS, [page, *others])
    app.title, app.description = "Kettles & Co <script>", "Tea <b>now</b>."

    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "root_path": root_path}, receive, send)

    async with (
        app.router.lifespan_context(app) as state,
        client_of(mounted, state or {}, base_url=base_url) as client,
    ):
        client.base_url = base_url
        yield client


@pytest.fixture(scope="session")
def inbox_of_all() -> Inbox:
    return Inbox()


@pytest.fixture(scope="session")
async def service(
    inbox_of_all: Inbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[AsyncClient]:
    """One for all tests that need nothing else."""
    async with visiting([shop(tmp_path_factory.mktemp("shop"), inbox_of_all)]) as client:
        yield client


@pytest.fixture
def inbox(inbox_of_all: Inbox) -> Inbox:
    inbox_of_all.received.clear()
    inbox_of_all.states.clear()
    inbox_of_all.is_broken = False
    return inbox_of_all


@pytest.fixture
def client(service: AsyncClient, inbox: Inbox) -> AsyncClient:  # noqa: ARG001 (emptied)
    service.cookies.clear()
    return service
