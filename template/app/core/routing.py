from abc import ABC
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from fastapi import APIRouter, params
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.routing import BaseRoute, Match
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


def api_routes(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, RouteContext]]:
    """Every route of the API with its template, those of included routers too."""
    for context in iter_route_contexts(routes):
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

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if self._literal not in scope["path"]:
            return Match.NONE, {}
        return super().matches(scope)

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
