"""Fixtures of the core. Each module in `tests/fixtures` adds those of one feature."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from tests.support import FixedSettings, client_of

pytest_plugins = [
    f"tests.fixtures.{path.stem}"
    for path in sorted((Path(__file__).parent / "fixtures").glob("[!_]*.py"))
]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
async def _one_event_loop(anyio_backend: str) -> AsyncGenerator[None]:  # noqa: ARG001 (runs it)
    """One loop for all tests: a thread that a test has left behind may still report to it."""
    yield  # noqa: PT022 (the loop lives until this generator ends)


@pytest.fixture(scope="session")
def settings(request: pytest.FixtureRequest) -> Settings:
    """Defaults, whatever the machine's environment says.

    A fixture named `<group>_settings` replaces one group.
    """
    groups: dict[str, Any] = {}
    for name in Settings.model_fields:
        try:
            groups[name] = request.getfixturevalue(f"{name}_settings")
        except pytest.FixtureLookupError:
            continue
    return FixedSettings(environment="test", **groups)


@pytest.fixture(scope="session")
def app(settings: Settings) -> FastAPI:
    return create_app(settings, enabled_features(settings))


@pytest.fixture(scope="session")
async def state(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """The service is started once; this is what its features opened."""
    async with app.router.lifespan_context(app) as state:
        assert state is not None
        yield dict(state)


@pytest.fixture
async def client(app: FastAPI, state: dict[str, Any]) -> AsyncGenerator[AsyncClient]:
    """Speaks to the API by paths below its prefix; `http://test/health/live` is outside of it."""
    async with client_of(app, state) as client:
        yield client
