"""How the feature is plugged in: events of others, schedule, description, personal data."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient
from pydantic import BaseModel, SecretStr
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.core.extensions import Extensions
from app.core.feature import Feature
from app.infrastructure.celery.broker import Broker, CelerySetup
from app.infrastructure.celery.schedule import beat_schedule
from app.infrastructure.celery.settings import CelerySettings
from app.infrastructure.celery.tasks import Periodic, TaskMessage
from app.infrastructure.database.database import Database
from app.infrastructure.database.purge import purge
from app.modules.user.models import User
from app.modules.webhook import feature as webhook
from app.modules.webhook.delivery import Courier
from app.modules.webhook.events import KnownEvents, WebhookEvent
from app.modules.webhook.models import WebhookDelivery, WebhookEndpoint
from app.modules.webhook.privacy import DeliveryPurge
from app.modules.webhook.settings import WebhookSettings
from app.modules.webhook.sweeping import sweeping
from tests.fixtures.celery import until
from tests.infrastructure.http_client.servers import reply
from tests.support import FixedSettings

from .conftest import Shelf, log_of, pending, queue_on, register
from .receiver import Receiver

pytestmark = pytest.mark.anyio

Tell = Callable[..., Awaitable[None]]


class Ready(BaseModel):
    cups: int


class Inner:
    class Ready(BaseModel):
        """Another one of the same name."""

        pots: list[int]


TEA = WebhookEvent(name="tea.ready", model=Ready, description="It is ready.")
COFFEE = WebhookEvent(name="coffee.ready", model=Inner.Ready, description="It is, too.")


class TestCatalogue:
    @pytest.mark.parametrize(
        "events",
        [
            (TEA, TEA),
            (WebhookEvent(name="webhook.ping", model=Ready, description=""),),
            (WebhookEvent(name="tea ready", model=Ready, description=""),),
            (WebhookEvent(name="tea.", model=Ready, description=""),),
            (WebhookEvent(name="t" * 101, model=Ready, description=""),),
        ],
    )
    def test_refuses_names_that_are_taken_or_none(self, events: tuple[object, ...]) -> None:
        with pytest.raises(ValueError, match="webhook event"):
            KnownEvents(Extensions(events))


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    settings = FixedSettings(environment="test")
    drinks = Feature(name="drinks", extensions=(TEA, COFFEE))
    return create_app(settings, [*enabled_features(settings), drinks]).openapi()


class TestDescription:
    def test_has_every_event_and_the_ping(self, document: dict[str, Any]) -> None:
        described = {"account.notice", "coffee.ready", "tea.ready", "webhook.ping"}

        assert described <= document["webhooks"].keys()
        post = document["webhooks"]["tea.ready"]["post"]
        assert (post["operationId"], post["description"]) == ("receive_tea_ready", "It is ready.")
        assert {"2XX", "410", "default"} == post["responses"].keys()
        schema = post["requestBody"]["content"]["application/json"]["schema"]
        assert schema["properties"]["type"] == {"const": "tea.ready"}

    def test_tells_models_of_the_same_name_apart(self, document: dict[str, Any]) -> None:
        def data_of(name: str) -> dict[str, Any]:
            content = document["webhooks"][name]["post"]["requestBody"]["content"]
            reference = content["application/json"]["schema"]["properties"]["data"]["$ref"]
            schema: dict[str, Any] = document["components"]["schemas"][
                reference.removeprefix("#/components/schemas/")
            ]
            return schema

        assert data_of("tea.ready")["properties"].keys() == {"cups"}
        assert data_of("coffee.ready")["properties"].keys() == {"pots"}

    def test_lists_what_endpoints_can_ask_for(self, document: dict[str, Any]) -> None:
        for name in ("EndpointCreate", "EndpointUpdate"):
            properties = document["components"]["schemas"][name]["properties"]
            enum = properties["event_types"]["items"]["enum"]
            assert {"account.notice", "coffee.ready", "tea.ready"} <= set(enum)
            assert "webhook.ping" not in enum


class TestSchedule:
    def test_is_beats(self) -> None:
        feature = webhook.feature(WebhookSettings(), deployed=True)
        entry = beat_schedule(Extensions(feature.extensions))["webhook.sweep"]

        assert entry["schedule"] == timedelta(seconds=60)

    async def test_does_what_is_due(
        self, state: dict[str, Any], user_client: AsyncClient, receiver: Receiver, tell: Tell
    ) -> None:
        """As a worker does that beat has asked to."""
        endpoint = await register(user_client, receiver)
        receiver.answers(reply(500), reply())
        await tell()
        await make_due(state)

        (periodic,) = [
            it for it in state["extensions"].of(Periodic) if it.task.name == "webhook.sweep"
        ]
        async with state["database"].transaction() as session:
            await state["task_queue"].enqueue(session, periodic.task, periodic.task.payload())

        assert [it["status"] for it in await log_of(user_client, endpoint)] == ["delivered"]

    async def test_is_the_process_own_where_there_is_no_broker(
        self, state: dict[str, Any], committed: Database, courier: Courier
    ) -> None:
        attempt = await pending(committed, courier)
        await make_due(state)
        shelf = Shelf()
        queue = queue_on(shelf, state)
        often = Courier(
            WebhookSettings(sweep_interval_seconds=0.01), courier.box, courier.events, bool
        )

        async def sent() -> list[TaskMessage]:
            return shelf.messages

        async with sweeping(committed, often, queue):
            (message,) = await until(sent)

        assert message.name == "webhook.deliver"
        assert message.payload == attempt.model_dump(mode="json")

    async def test_goes_on_after_a_failure(self, state: dict[str, Any], courier: Courier) -> None:
        often = Courier(
            WebhookSettings(sweep_interval_seconds=0.001), courier.box, courier.events, bool
        )
        with capture_logs() as lines:

            async def has_failed_twice() -> bool:
                return [it["event"] for it in lines[:2]] == ["webhook sweep failed"] * 2

            # A database that is none.
            async with sweeping(object(), often, state["task_queue"]):  # type: ignore[arg-type]
                await until(has_failed_twice)

    @pytest.mark.parametrize(
        ("url", "is_running"), [(None, True), (SecretStr("broker://host"), False)]
    )
    async def test_is_left_to_beat_where_there_is_a_broker(
        self, state: dict[str, Any], url: SecretStr | None, *, is_running: bool
    ) -> None:
        setup = CelerySetup(CelerySettings(), Broker(url=url))
        feature = webhook.feature(WebhookSettings(), deployed=True)
        assert feature.lifespan is not None
        names = ("database", "keyring", "events", "task_queue")
        opened = {name: state[name] for name in names} | {"extensions": Extensions([setup])}
        before = asyncio.all_tasks()

        async with feature.lifespan(opened):
            assert bool(asyncio.all_tasks() - before) is is_running

        assert asyncio.all_tasks() == before


async def make_due(state: dict[str, Any]) -> None:
    async with state["database"].transaction() as session:
        for delivery in await session.scalars(select(WebhookDelivery)):
            delivery.next_attempt_at = datetime.now(UTC)


class TestPersonalData:
    async def test_is_exported_without_secrets(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell
    ) -> None:
        endpoint = await register(user_client, receiver)
        await tell()

        export = (await user_client.get("users/me/export")).json()

        (exported,) = export["webhooks"]
        assert exported["url"] == receiver.hook
        assert exported["deliveries"][0]["body"].encode() == receiver.received[0].body
        assert endpoint["secret"] not in str(export)

    async def test_is_erased(
        self,
        user_client: AsyncClient,
        superuser_client: AsyncClient,
        receiver: Receiver,
        user: User,
        session: AsyncSession,
        tell: Tell,
    ) -> None:
        await register(user_client, receiver)
        await register(superuser_client, receiver)
        await tell()

        assert (await superuser_client.delete(f"users/{user.id}")).status_code == 204

        assert await session.scalar(select(func.count()).select_from(WebhookEndpoint)) == 1
        assert await session.scalar(select(func.count()).select_from(WebhookDelivery)) == 0

    async def test_goes_after_a_while(
        self, state: dict[str, Any], user_client: AsyncClient, receiver: Receiver, tell: Tell
    ) -> None:
        endpoint = await register(user_client, receiver)
        await tell()
        keeping = DeliveryPurge(WebhookSettings())
        counts = await purge(state["database"], Extensions([keeping]))
        async with state["database"].transaction() as session:
            later = datetime.now(UTC) + timedelta(days=31)
            gone = await keeping.purge(session, later)

        assert (counts, gone) == ({"webhook_deliveries": 0}, 1)
        assert await log_of(user_client, endpoint) == []
