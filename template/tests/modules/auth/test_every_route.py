"""Walks the API: a route is on a list of public ones, or it refuses strangers.

Each feature lists its own in `tests/modules/<module>/public_routes.txt`: a new route that forgot
its guard fails here until somebody has looked at it.
"""

from fnmatch import fnmatchcase
from pathlib import Path
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

pytestmark = pytest.mark.anyio

PUBLIC = {
    line
    for path in Path(__file__).parents[1].glob("*/public_routes.txt")
    for line in path.read_text("utf-8").splitlines()
    if line and not line.startswith("#")
}


def routes(app: FastAPI) -> dict[str, bool]:
    """Every `METHOD path`, and whether it is documented to take a credential."""
    return {
        f"{method.upper()} {path}": bool(operation.get("security"))
        for path, item in app.openapi()["paths"].items()
        for method, operation in item.items()
    }


def is_public(route: str) -> bool:
    """Whether a list has it; `*` there stands for what depends on other features."""
    return any(fnmatchcase(route, pattern) for pattern in PUBLIC)


async def test_public_routes_are_those_on_the_lists(app: FastAPI) -> None:
    public = {route for route, is_guarded in routes(app).items() if not is_guarded}

    assert [route for route in sorted(public) if not is_public(route)] == [], (
        "guard the route, or list it in tests/modules/<module>/public_routes.txt"
    )
    assert [
        it for it in sorted(PUBLIC) if not any(fnmatchcase(route, it) for route in public)
    ] == []


async def test_every_other_route_refuses_strangers(app: FastAPI, client: AsyncClient) -> None:
    let_in = {}
    for route in guarded(app):
        method, path = route.split()
        # Whoever is not known is told nothing else: not what is missing, nor whether it exists.
        url = f"http://test{fill(path)}"
        response = await client.request(method, url)
        if (response.status_code, response.headers.get("www-authenticate")) != (401, "Bearer"):
            let_in[route] = response.status_code

    assert let_in == {}


async def test_every_other_route_refuses_a_wrong_token(app: FastAPI, client: AsyncClient) -> None:
    client.headers["authorization"] = "Bearer a.b.c"
    statuses = {
        (await client.request(method, f"http://test{fill(path)}")).status_code
        for method, path in (route.split() for route in guarded(app))
    }

    assert statuses == {401}


def guarded(app: FastAPI) -> list[str]:
    return [route for route in sorted(routes(app)) if not is_public(route)]


def fill(path: str) -> str:
    """The path with some id for each parameter."""
    parts = (str(uuid4()) if part.startswith("{") else part for part in path.split("/"))
    return "/".join(parts)
