"""Which route a request is for, before the router looks for it.

The router hands it to the route at once; a refusal has to come before, and before the body is read.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from re import Pattern
from typing import Any

from fastapi import FastAPI
from fastapi.routing import RouteContext
from starlette.types import Scope

from app.core.principal import PrincipalResolver
from app.core.routing import API_PREFIX, loaded_api_routes, route_path

from .declarations import Declared, declared_by


@dataclass(frozen=True, slots=True)
class LimitedRoute:
    name: str
    """`GET /api/v1/orders/{order_id}`, `WEBSOCKET /api/v1/news`."""
    declared: Declared
    resolvers: Sequence[PrincipalResolver]
    """Those that this route asks who is calling."""
    pattern: Pattern[str]
    methods: frozenset[str]


UNKNOWN = "unknown"
"""The name under which requests count that no route answers."""


class RouteTable:
    """The loaded routes of the API, by the first part of their path."""

    def __init__(self, app: FastAPI, resolvers: Sequence[PrincipalResolver]) -> None:
        self._routes: dict[str, list[LimitedRoute]] = {}
        for path, context in loaded_api_routes(app):
            route = _limited_route(context, path, resolvers)
            self._routes.setdefault(_first_part(path), []).append(route)
        self._elsewhere = [
            route for part, group in self._routes.items() if "{" in part for route in group
        ]

    def find(self, scope: Scope) -> LimitedRoute | None:
        path = route_path(scope)
        # A handshake has no method.
        method = scope.get("method", "WEBSOCKET")
        for group in (self._routes.get(_first_part(path), ()), self._elsewhere):
            for route in group:
                if method in route.methods and route.pattern.match(path):
                    return route
        return None


def _first_part(path: str) -> str:
    return path[len(API_PREFIX) + 1 :].split("/", 1)[0]


def _limited_route(
    context: RouteContext, path: str, resolvers: Sequence[PrincipalResolver]
) -> LimitedRoute:
    methods = context.methods or {"WEBSOCKET"}
    dependencies = set(_calls(getattr(context, "dependant", None)))
    return LimitedRoute(
        name=f"{min(methods)} {path}",
        declared=declared_by(context.endpoint),
        resolvers=[item for item in resolvers if item.is_asked_by(dependencies)],
        pattern=context.path_regex,
        methods=frozenset(methods),
    )


def _calls(dependant: Any) -> Iterator[object]:  # noqa: ANN401 (FastAPI's own class, not public)
    inner: Iterable[Any] = () if dependant is None else dependant.dependencies
    for dependency in inner:
        yield dependency.call
        yield from _calls(dependency)
