from abc import ABC
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from fastapi import APIRouter, FastAPI, params
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Scope

API_PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class ProbePath:
    """What the platform asks every few seconds, by address; an entry of `Feature.extensions`.

    Requests below it may name any host, and are neither logged nor counted.
    """

    prefix: str


def route_path(scope: Scope) -> str:
    """The path that routes know: without what a proxy has put before it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def route_template(scope: Scope) -> str | None:
    """`/api/v1/orders/{order_id}`, once the router has found it; absent where no route answers."""
    # FastAPI keeps the whole path of an included route there; the route knows only its own part.
    context = scope.get("fastapi", {}).get("effective_route_context", scope.get("route"))
    return None if context is None else str(context.path_format)


def api_routes(app: FastAPI) -> Iterator[tuple[str, RouteContext]]:
    """Every route of the API with its template."""
    load_routers(app)
    return loaded_api_routes(app)


def loaded_api_routes(app: FastAPI) -> Iterator[tuple[str, RouteContext]]:
    """The same without those of a `LateRouter` that no request has asked for."""
    for context in iter_route_contexts(app.routes):
        template = context.path_format
        if template is not None and template.startswith(f"{API_PREFIX}/"):
            yield template, context


class RouteRequirement(ABC):
    """A dependency that needs routes of a class of its own.

    A `PrefixRouter` makes such routes where `Depends(it)` is among the `dependencies` of a route or
    of the router itself.
    """

    route_class: ClassVar[type[APIRoute]]


class PrefixRouter(APIRouter):
    """A router that looks at its routes only when the path can be one of them.

    FastAPI asks every route of every included router in turn, so that the last of 200 routes costs
    several times the first. One comparison of the prefix skips a whole router; what is matched,
    and what answers 404 or 405, stays the same.
    """

    @cached_property
    def _literal(self) -> str:
        return self.prefix.split("{", 1)[0]

    def is_for(self, path: str) -> bool:
        """False: none of its routes has this path."""
        return self._literal in path

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(scope) if self.is_for(scope["path"]) else (Match.NONE, {})

    def add_api_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        dependencies: Sequence[params.Depends] | None = None,
        **options: Any,  # noqa: ANN401 (handed through)
    ) -> None:
        for listed in (*self.dependencies, *(dependencies or ())):
            if isinstance(listed.dependency, RouteRequirement):
                options["route_class_override"] = listed.dependency.route_class
        super().add_api_route(path, endpoint, dependencies=dependencies, **options)


class LateRouter(PrefixRouter):
    """Stands for a router whose module is imported when the first request for it comes.

    FastAPI builds every route when it is declared, and most of what a module imports is for its
    routes. Made by `late_router`, and listed like any other router.
    """

    def __init__(self, prefix: str, build: Callable[[], APIRouter]) -> None:
        super().__init__()
        self._prefix = prefix
        self._build = build

    @cached_property
    def router(self) -> APIRouter:
        """The one that it stands for."""
        router = self._build()
        if router.prefix != self._prefix:
            raise ValueError(
                f"the router of {router.prefix} is announced as that of {self._prefix}"
            )
        return router

    def is_for(self, path: str) -> bool:
        return self._prefix in path

    def load(self) -> bool:
        """Whether there was something to do."""
        if self.routes:
            return False
        self.include_router(self.router)
        return True

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if self.is_for(scope["path"]):
            self.load()
        return super().matches(scope)


class LateNames(BaseRoute):
    """The last route: for the address of a route that is not there yet, all are loaded."""

    # It has no path; who looks at all routes asks each.
    path_format = path_regex = None

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def matches(self, scope: Scope) -> tuple[Match, Scope]:  # noqa: ARG002 (of Starlette)
        return Match.NONE, {}

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:  # noqa: ANN401
        if not load_routers(self._app):
            raise NoMatchFound(name, path_params)
        return self._app.url_path_for(name, **path_params)


def load_routers(app: FastAPI, path: str | None = None) -> bool:
    """Import every `LateRouter` that a request for `path` may be for, or all of them.

    Returns whether there is any that was not there before.
    """
    late: Sequence[LateRouter] = getattr(app.state, "late_routers", ())
    loaded = [it for it in late if (path is None or it.is_for(path)) and it.load()]
    return bool(loaded)
