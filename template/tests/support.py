"""The service as the tests see it: the real factory, other settings."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from typing import Any

from httpx2 import ASGITransport, AsyncClient
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from starlette.types import ASGIApp, Receive, Scope, Send

from app.bootstrap.factory import create_app
from app.bootstrap.settings import Settings
from app.core.feature import Feature
from app.core.measures import Instrument, Measured
from app.core.routing import API_PREFIX

around_requests: list[Callable[[], AbstractContextManager[None]]] = []
"""What is entered around each request of a test; fixtures of features add to it."""


@contextmanager
def counted(instrument: Instrument) -> Generator[Counter[tuple[str, ...]]]:
    """The sums of what it is given in the block, by the values of its labels."""
    sums = Counter[tuple[str, ...]]()

    def collect(number: float, values: tuple[str, ...]) -> None:
        sums[values] += number  # type: ignore[assignment]  # whole numbers, in these tests

    with instrument.collected(collect):
        yield sums


def shown(measured: Measured, **state: object) -> dict[tuple[str, ...], float]:
    """Its numbers by their names and the values of their labels."""
    return {(it.name, *it.labels.values()): it.value for it in measured.readings(state)}


class FixedSettings(Settings):
    """Settings that come from the test alone, not from the environment or `.env`."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def client_of(
    app: ASGIApp,
    state: Mapping[str, Any],
    *,
    base_url: str = "http://test",
    client: tuple[str, int] = ("127.0.0.1", 123),
) -> AsyncClient:
    """`client` is the network address that it calls from."""

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(state)
        with ExitStack() as stack:
            for around in around_requests:
                stack.enter_context(around())
            await app(scope, receive, send)

    # What the service raises is answered by the service, as behind a real server.
    transport = ASGITransport(app=with_state, raise_app_exceptions=False, client=client)
    return AsyncClient(transport=transport, base_url=f"{base_url}{API_PREFIX}/")


@asynccontextmanager
async def serving(
    settings: Settings, features: Sequence[Feature], *, base_url: str = "http://test"
) -> AsyncGenerator[AsyncClient]:
    """A service of its own, for tests that need other settings or other features."""
    app = create_app(settings, features)
    async with (
        app.router.lifespan_context(app) as state,
        client_of(app, state or {}, base_url=base_url) as client,
    ):
        yield client
