"""The one shape in which a feature plugs into the service."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum, auto
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from fastapi import APIRouter
from starlette.middleware import Middleware

from .extensions import Extensions, LateExtension
from .routing import LateRouter

if TYPE_CHECKING:
    import typer

State = Mapping[str, Any]
Lifespan = Callable[[State], AbstractAsyncContextManager[State]]
Result = TypeVar("Result")


class Process(Enum):
    """What a process is for; `state["process"]`."""

    COMMAND = auto()
    """Does one thing, and ends."""
    SERVICE = auto()
    """Answers requests."""
    WORKER = auto()
    """Works in the background until it is told to stop."""


class CommandRunner(Protocol):
    """Runs what a management command does with the features open, as in a request."""

    def run(self, job: Callable[[State], Awaitable[Result]], *, works: bool = False) -> Result: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessCheck:
    """One thing the service needs to answer requests.

    `check` receives what the lifespans opened. It returns when all is well and raises otherwise;
    the text of an `UnavailableError` is shown to whoever asks, any other only as its class name.
    """

    name: str
    check: Callable[[State], Awaitable[None]]
    is_required: bool = True
    """False: the service answers without it, if less well, and says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """Everything the service needs to know about one feature."""

    name: str
    routers: tuple[APIRouter, ...] = ()
    """Mounted below the API prefix; best by `late_router`."""
    extended_routers: Callable[[Extensions], tuple[APIRouter, ...]] | None = None
    """Further ones, which depend on what other features offer."""
    root_routers: tuple[APIRouter, ...] = ()
    """Mounted without a prefix, for paths that platforms dictate."""
    lifespan: Lifespan | None = None
    """Opens what the feature owns and yields its entries of `request.state`.

    It receives what the features before it opened, and the `extensions` of all.
    """
    serving: Callable[[State], AbstractAsyncContextManager[None]] | None = None
    """Entered when all features are open, and only where requests are served.

    For what runs beside them all the time. Other processes may open the features for a moment, or
    let their event loop stand still in between.
    """
    settle: Callable[[State], Awaitable[None]] | None = None
    """Stores or sends what would be kept for later, where the process may stand still after a
    request: called at the end of each one there, before the answer is sent."""
    supervising: Callable[[Process], AbstractContextManager[Mapping[str, str]]] | None = None
    """Entered in a process that starts several others of this kind, around their lives.

    It yields what they find in their environment, and opens nothing that a fork would share.
    """
    extensions: tuple[object, ...] = ()
    """What it offers to other features; see `Extensions`."""
    middleware: tuple[Middleware, ...] = ()
    """Pure ASGI, outermost first, inside the service's own middleware."""
    outer_middleware: tuple[Middleware, ...] = ()
    """The same, but outside of what makes answers of errors: it sees every answer as it is sent."""
    exposed_headers: tuple[str, ...] = ()
    """Headers of answers that browser applications on other origins may read."""
    readiness: tuple[ReadinessCheck, ...] = ()
    commands: "Mapping[str, typer.Typer | Callable[[], typer.Typer]]" = field(default_factory=dict)
    """Groups of management commands by name, best by `commands_of`; a command does its work with
    `run_job`."""
    server_options: Mapping[str, Any] = field(default_factory=dict)
    """What the server is told when `serve` starts it; arguments of `uvicorn.run`."""
    app_options: Mapping[str, Any] = field(default_factory=dict)
    """What the application is made with; arguments of `FastAPI`."""


def commands_of(
    package: str | None, *arguments: object, **options: object
) -> "Callable[[], typer.Typer]":
    """`commands` of the package's `commands.py`; with arguments, what its `build_commands` makes.

    It is imported by who runs a command: what commands need would make requests wait at the start.
    """

    def build() -> "typer.Typer":
        module: Any = import_module(f"{package}.commands")
        is_built = arguments or options
        group: typer.Typer = (
            module.build_commands(*arguments, **options) if is_built else module.commands
        )
        return group

    return build


def late_router(
    package: str | None, prefix: str, name: str = "router", *arguments: object
) -> LateRouter:
    """That of the package's `routes.py` with this name; with arguments, what is made of them there.

    A process that does not answer all the time imports it with the first request for it.
    """

    def build() -> APIRouter:
        found: Any = getattr(import_module(f"{package}.routes"), name)
        router: APIRouter = found(*arguments) if arguments else found
        return router

    return LateRouter(prefix, build)


def late_extension(
    kind: type | tuple[type, ...], package: str | None, place: str, *arguments: object
) -> object:
    """An entry of `extensions`: `late_extension(PersonalData, __package__, "privacy.BooksData")`.

    The class is imported, and called with the arguments, when that kind is first asked for.
    """

    def make() -> tuple[object]:
        module, _, name = place.rpartition(".")
        return (getattr(import_module(f"{package}.{module}"), name)(*arguments),)

    return LateExtension(kind if isinstance(kind, tuple) else (kind,), make)


def extensions_of(features: Iterable[Feature]) -> Extensions:
    return Extensions(item for feature in features for item in feature.extensions)
