from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.types import Receive, Scope, Send

from app.core.extensions import LateExtension
from app.core.feature import Feature, State
from app.core.late import Late
from app.infrastructure.form.cookies import HostCookies

from . import records
from .extension import AdminView
from .permissions import CHANGE_RECORDS, USE_ADMIN
from .session import PanelGrant, PanelSessions
from .settings import PATH, AdminSettings

if TYPE_CHECKING:
    from .gate import Gate


class _Entrance:
    """Hands requests to the gate that the lifespan has opened."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gate: Late[Gate] = scope["state"]["admin_gate"]
        await gate()(scope, receive, send)


def feature(settings: AdminSettings, *, title: str) -> Feature:
    # Nobody comes by a link of another site.
    cookies = HostCookies(is_secure=settings.secure_cookies, same_site="strict", prefix="admin_")
    router = APIRouter()
    for path in (PATH, PATH + "/{path:path}"):
        router.add_route(path, _Entrance(), include_in_schema=False)  # type: ignore[arg-type]

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        sessions = PanelSessions(settings, cookies, state["keyring"])

        def make() -> "Gate":
            from .gate import Gate  # noqa: PLC0415 (late)

            return Gate(
                state["extensions"],
                title=f"{title} admin",
                database=state["database"],
                sessions=sessions,
                cookies=cookies,
            )

        yield {"admin_gate": Late(make), "admin_sessions": sessions}

    return Feature(
        name="admin",
        root_routers=(router,),
        lifespan=lifespan,
        extensions=(
            USE_ADMIN,
            CHANGE_RECORDS,
            PanelGrant(),
            LateExtension((AdminView,), _own_views),
        ),
    )


def _own_views() -> Iterator[AdminView]:
    """Those of the modules that this service has: one file in `records` for each."""
    for found in sorted(iter_modules(records.__path__), key=lambda it: it.name):
        yield from import_module(f"{records.__name__}.{found.name}").VIEWS
