import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import structlog
import typer

from app.bootstrap.lifespan import open_features
from app.bootstrap.settings import Settings
from app.core.errors import UnavailableError
from app.core.feature import Feature, State
from app.core.routing import PrefixRouter
from app.core.settings import Environment
from app.infrastructure.logging.settings import LogFormat, LogSettings
from app.infrastructure.logging.setup import configure_logging
from app.infrastructure.sentry.feature import feature
from app.infrastructure.sentry.settings import SentrySettings
from tests.support import serving

from .conftest import Ingest

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("_logging")]

logger = structlog.get_logger()


class OutOfReachError(UnavailableError):
    code = "kettle.out_of_reach"
    title = "The kettle cannot be reached"


@pytest.fixture
def _logging(restored_logging: None) -> None:  # noqa: ARG001 (undone by it)
    """As entry points do, or no line would be shown to anybody."""
    configure_logging(LogSettings(format=LogFormat.JSON), deployed=True)
    # The service's own loggers would keep this for all other tests.
    structlog.configure(cache_logger_on_first_use=False)


def kettle() -> Feature:
    router = PrefixRouter(prefix="/kettle", tags=["kettle"])

    @router.post("/{name}")
    async def boil(name: str, body: dict[str, str]) -> None:
        address = "ftp://ada:hunter2@host"
        raise RuntimeError(f"{address} and {name}: {len(body)}")

    @router.get("/cold")
    async def refuse() -> None:
        raise OutOfReachError("Try later.", retry_after_seconds=1)

    return Feature(name="kettle", routers=(router,))


class TestSettling:
    async def test_sends_what_there_is(
        self, sentry: Callable[..., Feature], ingest: Ingest
    ) -> None:
        part = sentry()
        async with open_features([part]) as state:
            logger.error("the kettle is broken")
            assert part.settle is not None
            await part.settle(state)
            assert len(ingest.all("event")) == 1


class TestRequests:
    async def test_a_defect_is_reported_with_where_it_happened(
        self, settings: Settings, sentry: Callable[..., Feature], ingest: Ingest
    ) -> None:
        async with serving(settings, [sentry(), kettle()]) as client:
            response = await client.post("kettle/red?token=abcdef", json={"a": "b"})

        (event,) = ingest.all("event")
        assert event["exception"]["values"][-1]["type"] == "RuntimeError"
        assert event["exception"]["values"][-1]["stacktrace"]["frames"][-1]["function"] == "boil"
        assert event["tags"] == {"request_id": response.json()["request_id"]}
        assert event["transaction"] == "/api/v1/kettle/{name}"
        assert event["request"] == {"method": "POST", "url": "/api/v1/kettle/red"}
        assert (event["environment"], event["release"]) == ("staging", "1.2.3")
        assert event["level"] == "error"
        assert event["logentry"]["message"] == "unhandled error"

    async def test_nothing_secret_or_personal_is_part_of_it(
        self, settings: Settings, sentry: Callable[..., Feature], ingest: Ingest
    ) -> None:
        headers = {"Authorization": "Bearer abcdefghij", "Cookie": "a=bcdef", "X-Mine": "mine-0"}
        async with serving(settings, [sentry(), kettle()]) as client:
            body = {"password": "a long password", "name": "Ada Lovelace"}
            await client.post("kettle/red?token=abcdef", json=body, headers=headers)

        assert len(ingest.all("event")) == 1
        for secret in ("hunter2", "a long password", "Ada", "abcdef", "mine-0", '127.0.0.1"'):
            assert secret not in ingest.raw, secret

    async def test_what_a_caller_can_cause_is_no_defect(
        self, settings: Settings, sentry: Callable[..., Feature], ingest: Ingest
    ) -> None:
        async with serving(settings, [sentry(), kettle()]) as client:
            assert (await client.get("kettle/cold")).status_code == 503
            assert (await client.post("kettle/red", json=[])).status_code == 422
            assert (await client.get("nowhere")).status_code == 404

        assert ingest.items == []


class TestLines:
    async def test_an_error_is_reported_with_the_fields_of_its_line(
        self, sentry: Callable[..., Feature], ingest: Ingest
    ) -> None:
        async with open_features([sentry()]):
            with structlog.contextvars.bound_contextvars(request_id="abc", user_id="7"):
                logger.error("letter given up", attempts=3, secret="plain", number="x")

        (event,) = ingest.all("event")
        assert event["logentry"]["message"] == "letter given up"
        assert event["contexts"]["log"]["attempts"] == 3
        assert event["contexts"]["log"]["secret"] == "[redacted]"
        assert event["tags"] == {"request_id": "abc"}
        assert event["user"] == {"id": "7"}
        assert "request" not in event

    async def test_those_of_libraries_too(
        self, sentry: Callable[..., Feature], ingest: Ingest
    ) -> None:
        async with open_features([sentry()]):
            error = LookupError("nothing there")
            logging.getLogger("library").error("%d failed", 7, exc_info=error)

        (event,) = ingest.all("event")
        assert event["logentry"]["message"] == "7 failed"
        assert event["logger"] == "library"
        assert event["exception"]["values"][0]["value"] == "nothing there"

    @pytest.mark.parametrize("level", ["info", "warning"])
    async def test_others_are_not(
        self, level: str, sentry: Callable[..., Feature], ingest: Ingest
    ) -> None:
        async with open_features([sentry()]):
            getattr(logger, level)("as usual", exc_info=LookupError("no"))

        assert ingest.items == []

    async def test_one_error_is_reported_once(
        self, sentry: Callable[..., Feature], ingest: Ingest
    ) -> None:
        error = LookupError("no")
        async with open_features([sentry()]):
            logger.error("lost", exc_info=error)
            logger.error("lost again", exc_info=error)

        assert len(ingest.all("event")) == 1

    async def test_nothing_is_sent_once_it_is_closed(
        self, sentry: Callable[..., Feature], ingest: Ingest
    ) -> None:
        async with open_features([sentry()]):
            pass
        logger.error("too late")

        assert ingest.items == []


class TestProcess:
    async def test_what_goes_wrong_while_others_open_is_reported(
        self, sentry: Callable[..., Feature], ingest: Ingest
    ) -> None:
        @asynccontextmanager
        async def lifespan(_: State) -> AsyncGenerator[State]:
            raise LookupError("no water")
            yield {}

        with pytest.raises(LookupError):
            async with open_features([sentry(), Feature(name="kettle", lifespan=lifespan)]):
                raise AssertionError

        (event,) = ingest.all("event")
        assert event["exception"]["values"][0]["value"] == "no water"

    @pytest.mark.parametrize(
        "end", [OutOfReachError("Try later.", retry_after_seconds=1), typer.Exit(1)]
    )
    async def test_a_command_that_ends_with_a_reason_is_no_defect(
        self, end: Exception, sentry: Callable[..., Feature], ingest: Ingest
    ) -> None:
        with pytest.raises(type(end)):
            async with open_features([sentry()]):
                raise end

        assert ingest.items == []


class TestTraces:
    async def test_are_sent_where_they_are_asked_for(
        self, settings: Settings, sentry: Callable[..., Feature], ingest: Ingest
    ) -> None:
        async with serving(settings, [sentry(traces_sample_rate=1), kettle()]) as client:
            await client.get("kettle/cold?token=abcdef")
            response = await client.post("kettle/red", json={})

        transactions = ingest.all("transaction")
        assert [it["transaction"] for it in transactions] == [
            "/api/v1/kettle/cold",
            "/api/v1/kettle/{name}",
        ]
        assert "abcdef" not in ingest.raw
        # Once, although the library reports errors of its own accord then.
        (event,) = ingest.all("event")
        assert event["tags"]["request_id"] == response.json()["request_id"]


class TestOff:
    async def test_costs_nothing(self) -> None:
        made = feature(SentrySettings(), environment=Environment.TEST, release="1.2.3")
        assert made == Feature(name="sentry")
