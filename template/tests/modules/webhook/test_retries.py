"""What happens when endpoints do not answer as they should, or when we do not come to ask."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.database import Database
from app.infrastructure.security.notices import Notice
from app.modules.user.models import User
from app.modules.webhook.delivery import Attempt, Courier
from app.modules.webhook.models import WebhookDelivery
from app.modules.webhook.settings import WebhookSettings
from tests.fixtures.auth import Witness
from tests.infrastructure.http_client.servers import Behaviour, cut, drip, hang, mumble, reply

from .conftest import Shelf, log_of, pending, queue_on, register
from .receiver import Receiver, is_signed, verified

pytestmark = pytest.mark.anyio

Tell = Callable[..., Awaitable[None]]
Sweep = Callable[..., Awaitable[int]]
HOUR = 3600


def wait_of(delivery: dict[str, Any]) -> float:
    """Seconds between an attempt and the next one."""
    last, following = delivery["last_attempt_at"], delivery["next_attempt_at"]
    return (datetime.fromisoformat(following) - datetime.fromisoformat(last)).total_seconds()


class TestSchedule:
    def test_takes_about_a_day(self) -> None:
        settings = WebhookSettings()
        waits = [settings.wait(attempt) / timedelta(minutes=1) for attempt in range(1, 7)]

        assert settings.attempts == 7
        assert waits == [1, 4, 16, 64, 256, 1024]
        assert sum(waits) / 60 == 22.75

    async def test_is_kept_to_its_end(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell, sweep: Sweep
    ) -> None:
        endpoint = await register(user_client, receiver)
        receiver.answers(reply(500))
        await tell()
        waits = []
        for _ in range(6):
            (delivery,) = await log_of(user_client, endpoint)
            assert (delivery["status"], delivery["response_status"]) == ("pending", 500)
            waits.append(wait_of(delivery) / 60)
            assert await sweep() == 1

        expected = [1, 4, 16, 64, 256, 1024]
        assert all(it * 0.89 < wait < it * 1.11 for it, wait in zip(expected, waits, strict=True))
        (delivery,) = await log_of(user_client, endpoint)
        assert (delivery["status"], delivery["attempts"]) == ("failed", 7)
        assert await sweep() == 0
        payloads = [verified(endpoint["secret"], it) for it in receiver.received]
        assert payloads == payloads[:1] * 7
        assert {it.headers["webhook-id"] for it in receiver.received} == {delivery["event_id"]}

    async def test_begins_no_attempt_before_its_time(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell, sweep: Sweep
    ) -> None:
        endpoint = await register(user_client, receiver)
        receiver.answers(reply(500), reply(204))
        await tell()

        assert await sweep(timedelta(seconds=40)) == 0
        assert await sweep(timedelta(seconds=70)) == 1
        (delivery,) = await log_of(user_client, endpoint)
        assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)
        assert (delivery["response_status"], delivery["next_attempt_at"]) == (204, None)

    @pytest.mark.parametrize(
        ("asked", "seconds"),
        [("3600", HOUR), ("1", 60), ("999999999", 24 * HOUR), ("soon", 60)],
    )
    async def test_has_the_patience_that_is_asked_for(
        self,
        user_client: AsyncClient,
        receiver: Receiver,
        tell: Tell,
        asked: str,
        seconds: int,
    ) -> None:
        endpoint = await register(user_client, receiver)
        receiver.answers(reply(503, retry_after=asked))
        await tell()

        (delivery,) = await log_of(user_client, endpoint)
        assert seconds * 0.89 < wait_of(delivery) < seconds * 1.11


class TestFailure:
    @pytest.mark.parametrize(
        ("behaviour", "status", "error"),
        [
            (reply(302, location="/elsewhere"), 302, None),
            (reply(404), 404, None),
            (hang, None, "timeout"),
            (drip, None, "timeout"),
            (cut, None, "no_answer"),
            (mumble, None, "no_answer"),
        ],
    )
    async def test_is_whatever_is_not_2xx(
        self,
        user_client: AsyncClient,
        receiver: Receiver,
        tell: Tell,
        adjust: Callable[..., None],
        behaviour: Behaviour,
        status: int | None,
        error: str | None,
    ) -> None:
        adjust(timeout_seconds=0.1)
        endpoint = await register(user_client, receiver)
        receiver.answers(behaviour)
        await tell()

        (delivery,) = await log_of(user_client, endpoint)
        assert (delivery["status"], delivery["attempts"]) == ("pending", 1)
        assert (delivery["response_status"], delivery["error"]) == (status, error)
        assert [it.target for it in receiver.received] == ["/hook"]

    async def test_is_an_address_that_leads_elsewhere_by_now(
        self,
        user_client: AsyncClient,
        receiver: Receiver,
        tell: Tell,
        sweep: Sweep,
        names: dict[str, Sequence[str]],
    ) -> None:
        names["hooks.example.com"] = ["127.0.0.1"]
        url = f"http://hooks.example.com:{receiver.port}/hook"
        endpoint = await register(user_client, receiver, url=url)
        names["hooks.example.com"] = ["10.0.0.1"]
        await tell()

        (delivery,) = await log_of(user_client, endpoint)
        assert (delivery["status"], delivery["error"]) == ("pending", "address_refused")
        assert receiver.received == []
        names["hooks.example.com"] = ["127.0.0.1"]
        await sweep()
        assert receiver.received[0].headers["host"] == f"hooks.example.com:{receiver.port}"

    async def test_is_an_address_without_tls_where_that_is_not_taken_any_more(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell, courier: Courier
    ) -> None:
        endpoint = await register(user_client, receiver)
        courier.admits = lambda url: url.startswith("https://")
        await tell()

        (delivery,) = await log_of(user_client, endpoint)
        assert delivery["error"] == "address_refused"
        assert receiver.received == []


class TestDisabling:
    async def test_follows_410_at_once(
        self,
        user_client: AsyncClient,
        receiver: Receiver,
        tell: Tell,
        sweep: Sweep,
        courier: Courier,
        witness: Witness,
        state: dict[str, Any],
    ) -> None:
        courier.events = state["events"]
        endpoint = await register(user_client, receiver)
        receiver.answers(reply(500), reply(410))
        await tell()
        await tell()

        after = (await user_client.get(f"webhooks/{endpoint['id']}")).json()
        assert (after["is_enabled"], after["disabled_reason"]) == (False, "gone")
        statuses = [it["status"] for it in await log_of(user_client, endpoint)]
        assert statuses == ["failed", "cancelled"]
        assert await sweep() == 0
        event = witness.events[-1]
        assert (event.name, event.is_warning) == ("webhook_endpoint_disabled", True)
        assert event.details == {"endpoint_id": endpoint["id"], "reason": "gone"}

    async def test_follows_deliveries_given_up_in_a_row(
        self,
        user_client: AsyncClient,
        receiver: Receiver,
        tell: Tell,
        adjust: Callable[..., None],
        courier: Courier,
        witness: Witness,
        state: dict[str, Any],
        user: User,
    ) -> None:
        courier.events = state["events"]
        adjust(attempts=1, failures_until_disabled=2)
        endpoint = await register(user_client, receiver)
        path = f"webhooks/{endpoint['id']}"
        receiver.answers(reply(500), reply(), reply(500), reply(503))
        counts = []
        for _ in range(4):
            await tell()
            counts.append((await user_client.get(path)).json()["consecutive_failures"])

        assert counts == [1, 0, 1, 2]
        after = (await user_client.get(path)).json()
        assert (after["is_enabled"], after["disabled_reason"]) == (False, "failing")
        event = witness.events[-1]
        assert (event.name, event.target_id) == ("webhook_endpoint_disabled", user.id)
        assert event.name in {it.event for it in state["extensions"].of(Notice)}

    async def test_tells_the_other_endpoints_of_the_owner(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell
    ) -> None:
        await register(user_client, receiver)
        receiver.answers(reply(410), reply())
        second = await register(user_client, receiver)
        await tell()

        told = [it for it in receiver.received if is_signed(second["secret"], it)]
        assert len(receiver.received) == 3
        assert {verified(second["secret"], it)["data"]["name"] for it in told} == {
            "tea_ready",
            "webhook_endpoint_disabled",
        }

    async def test_happens_once(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell
    ) -> None:
        """Somebody disables it while it says that it is gone."""
        endpoint = await register(user_client, receiver)
        path = f"webhooks/{endpoint['id']}"

        async def disabled_meanwhile(writer: asyncio.StreamWriter) -> None:
            await user_client.patch(path, json={"is_enabled": False})
            await reply(410)(writer)

        receiver.answers(disabled_meanwhile)
        await tell()

        assert (await user_client.get(path)).json()["disabled_reason"] == "owner"
        assert [it["status"] for it in await log_of(user_client, endpoint)] == ["cancelled"]

    async def test_does_not_deny_what_has_arrived(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell
    ) -> None:
        endpoint = await register(user_client, receiver)

        async def disabled_meanwhile(writer: asyncio.StreamWriter) -> None:
            await user_client.patch(f"webhooks/{endpoint['id']}", json={"is_enabled": False})
            await reply()(writer)

        receiver.answers(disabled_meanwhile)
        await tell()

        assert [it["status"] for it in await log_of(user_client, endpoint)] == ["delivered"]

    async def test_bears_that_the_endpoint_is_deleted_meanwhile(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell, session: AsyncSession
    ) -> None:
        endpoint = await register(user_client, receiver)

        async def deleted_meanwhile(writer: asyncio.StreamWriter) -> None:
            await user_client.delete(f"webhooks/{endpoint['id']}")
            await reply()(writer)

        receiver.answers(deleted_meanwhile)
        await tell()

        assert len(receiver.received) == 1
        assert (await session.scalars(select(WebhookDelivery.id))).all() == []


class TestClaim:
    async def begun(self, state: dict[str, Any], courier: Courier, attempt: Attempt) -> bool:
        """Whether this one begins the attempt."""
        async with state["database"].transaction() as session:
            return await courier.claim(session, attempt) is not None

    async def test_begins_an_attempt_once(
        self, state: dict[str, Any], committed: Database, courier: Courier
    ) -> None:
        attempt = await pending(committed, courier)

        begun = await asyncio.gather(*(self.begun(state, courier, attempt) for _ in range(4)))

        assert sorted(begun) == [False, False, False, True]

    async def test_takes_what_is_due_once(
        self, state: dict[str, Any], committed: Database, courier: Courier
    ) -> None:
        attempts = [await pending(committed, courier) for _ in range(3)]
        now = datetime.now(UTC) + timedelta(minutes=6)
        queue = queue_on(Shelf(), state)

        async def sweep() -> int:
            async with committed.transaction() as session:
                return await courier.sweep(session, queue, now)

        assert sum(await asyncio.gather(*(sweep() for _ in range(3)))) == len(attempts)
        assert await sweep() == 0

    async def test_ends_what_was_interrupted_too_often(
        self,
        state: dict[str, Any],
        courier: Courier,
        user_client: AsyncClient,
        receiver: Receiver,
        sweep: Sweep,
        tell: Tell,
        adjust: Callable[..., None],
    ) -> None:
        """A process that dies in the middle leaves an attempt begun."""
        adjust(attempts=2)
        endpoint = await register(user_client, receiver)
        receiver.answers(reply(500))
        await tell()
        (delivery,) = await log_of(user_client, endpoint)
        last = Attempt(delivery_id=UUID(delivery["id"]), number=2)
        assert await self.begun(state, courier, last)

        assert await sweep(timedelta(minutes=4)) == 0
        assert await sweep(timedelta(minutes=6)) == 1

        (delivery,) = await log_of(user_client, endpoint)
        assert (delivery["status"], delivery["error"]) == ("failed", "interrupted")
        assert len(receiver.received) == 1
