"""What is sent, to whom, and what is written down about it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.modules.user.models import User
from app.modules.webhook.events import WebhookEvent
from app.modules.webhook.listeners import ACCOUNT_NOTICE, AccountNotice
from app.modules.webhook.models import WebhookDelivery, WebhookEndpoint
from app.modules.webhook.sending import Webhooks, webhooks_of
from tests.infrastructure.http_client.servers import reply

from .conftest import NOTICE, Shelf, log_of, queue_on, register, row_of
from .receiver import Receiver, is_signed, verified

pytestmark = pytest.mark.anyio

Tell = Callable[..., Awaitable[None]]
Sweep = Callable[..., Awaitable[int]]


class TestSend:
    async def test_delivers_what_is_documented_signed_after_the_commit(
        self, app: FastAPI, user_client: AsyncClient, receiver: Receiver, tell: Tell
    ) -> None:
        endpoint = await register(user_client, receiver)

        await tell()

        (received,) = receiver.received
        payload = verified(endpoint["secret"], received)
        post = app.openapi()["webhooks"]["account.notice"]["post"]
        schema = post["requestBody"]["content"]["application/json"]["schema"]
        assert set(schema["required"]) == payload.keys()
        assert payload["type"] == schema["properties"]["type"]["const"] == "account.notice"
        assert payload["timestamp"].endswith("Z")
        assert AccountNotice.model_validate(payload["data"]) == NOTICE
        assert {it["name"] for it in post["parameters"]} <= received.headers.keys()
        # Nothing of ours besides.
        assert received.headers.keys() == {
            "accept",
            "accept-encoding",
            "connection",
            "content-length",
            "content-type",
            "host",
            "user-agent",
            "webhook-id",
            "webhook-signature",
            "webhook-timestamp",
        }

    async def test_is_logged(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell
    ) -> None:
        endpoint = await register(user_client, receiver)
        receiver.answers(reply(202, b"hunter2"))
        await tell()

        (listed,) = await log_of(user_client, endpoint)
        path = f"webhooks/{endpoint['id']}/deliveries/{listed['id']}"
        detail = (await user_client.get(path)).json()

        assert listed.items() <= detail.items()
        assert detail["body"].encode() == receiver.received[0].body
        assert detail["event_id"] == receiver.received[0].headers["webhook-id"]
        assert "hunter2" not in str(detail)
        assert {
            name: listed[name]
            for name in ("event_type", "status", "attempts", "response_status", "error")
        } == {
            "event_type": "account.notice",
            "status": "delivered",
            "attempts": 1,
            "response_status": 202,
            "error": None,
        }
        assert listed["last_attempt_at"] is not None
        assert listed["next_attempt_at"] is None

    async def test_can_be_listed_by_status(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell
    ) -> None:
        endpoint = await register(user_client, receiver)
        receiver.answers(reply(500), reply())
        await tell()
        await tell()
        path = f"webhooks/{endpoint['id']}/deliveries"

        pending = (await user_client.get(path, params={"status": "pending"})).json()
        both = (await user_client.get(path, params={"items_per_page": 1})).json()
        wrong = await user_client.get(path, params={"status": "lost"})

        assert [it["response_status"] for it in pending["data"]] == [500]
        assert both.keys() == {"data", "total_count", "has_more", "page", "items_per_page"}
        assert (both["total_count"], both["has_more"]) == (2, True)
        assert both["data"][0]["response_status"] == 200
        assert wrong.status_code == 422

    async def test_tells_each_endpoint_of_one_event_with_its_own_secret(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell
    ) -> None:
        secrets = [(await register(user_client, receiver))["secret"] for _ in range(2)]

        await tell()

        one, other = receiver.received
        assert [is_signed(it, one) + is_signed(it, other) for it in secrets] == [1, 1]
        assert one.headers["webhook-id"] == other.headers["webhook-id"]
        assert one.body == other.body

    async def test_tells_nobody_who_has_not_asked(
        self,
        user_client: AsyncClient,
        superuser_client: AsyncClient,
        receiver: Receiver,
        session: AsyncSession,
        tell: Tell,
    ) -> None:
        await register(superuser_client, receiver)
        endpoint = await register(user_client, receiver)
        stored = await row_of(session, WebhookEndpoint, endpoint["id"])
        stored.event_types = ["tea.ready"]
        await session.commit()

        await tell()

        assert receiver.received == []

    async def test_tells_nobody_whose_account_is_closed(
        self,
        user_client: AsyncClient,
        receiver: Receiver,
        session: AsyncSession,
        user: User,
        tell: Tell,
        sweep: Sweep,
    ) -> None:
        await register(user_client, receiver)
        receiver.answers(reply(500))
        await tell()
        user.is_active = False
        await session.commit()

        await tell()

        assert await sweep() == 1
        assert len(receiver.received) == 1
        statuses = await session.scalars(select(WebhookDelivery.status))
        assert statuses.all() == ["cancelled"]

    async def test_tells_of_nothing_that_was_undone(
        self, user_client: AsyncClient, receiver: Receiver, session: AsyncSession, tell: Tell
    ) -> None:
        await register(user_client, receiver)

        with pytest.raises(ZeroDivisionError):
            await tell(then=ZeroDivisionError())

        assert receiver.received == []
        assert await session.scalar(select(func.count()).select_from(WebhookDelivery)) == 0

    async def test_refuses_an_event_that_no_feature_has_declared(
        self, state: dict[str, Any], session: AsyncSession, user: User
    ) -> None:
        event = WebhookEvent(name="tea.ready", model=AccountNotice, description="Tea.")

        with pytest.raises(LookupError, match=r"tea\.ready"):
            await webhooks_of(state).send(session, user.id, event, NOTICE)

    async def test_loses_nothing_while_the_broker_is_down(
        self,
        state: dict[str, Any],
        user_client: AsyncClient,
        user: User,
        receiver: Receiver,
        sweep: Sweep,
    ) -> None:
        endpoint = await register(user_client, receiver)
        queue = queue_on(Shelf(is_down=True), state)
        webhooks = Webhooks(queue, webhooks_of(state).known)
        with capture_logs() as lines:
            async with state["database"].transaction() as session:
                await webhooks.send(session, user.id, ACCOUNT_NOTICE, NOTICE)
        assert [it["event"] for it in lines] == ["task lost"]
        assert [it["attempts"] for it in await log_of(user_client, endpoint)] == [0]

        assert await sweep(timedelta(minutes=4)) == 0
        assert await sweep(timedelta(minutes=6)) == 1

        verified(endpoint["secret"], receiver.received[0])


class TestAccountNotice:
    async def test_tells_what_the_owner_of_an_account_is_told(
        self, state: dict[str, Any], user_client: AsyncClient, user: User, receiver: Receiver
    ) -> None:
        endpoint = await register(user_client, receiver)
        async with state["database"].transaction() as session:
            for name in ("password_changed", "login_failed"):
                await state["events"].record(session, name, user.id)
            await state["events"].record(session, "password_changed", None)

        (received,) = receiver.received
        assert verified(endpoint["secret"], received)["data"] == {
            "name": "password_changed",
            "subject": "Your password was changed",
            "text": "The password of your account was changed. All other logins have ended.",
        }


class TestPing:
    async def test_shows_that_an_endpoint_is_reached(
        self, user_client: AsyncClient, receiver: Receiver
    ) -> None:
        endpoint = await register(user_client, receiver)

        response = await user_client.post(f"webhooks/{endpoint['id']}/ping")

        assert response.status_code == 202
        assert response.json()["event_type"] == "webhook.ping"
        delivery = (await user_client.get(f"http://test{response.headers['location']}")).json()
        assert delivery["status"] == "delivered"
        payload = verified(endpoint["secret"], receiver.received[0])
        assert payload["data"] == {"endpoint_id": endpoint["id"]}

    async def test_is_tried_once_and_counts_for_nothing(
        self, user_client: AsyncClient, receiver: Receiver, sweep: Sweep
    ) -> None:
        endpoint = await register(user_client, receiver)
        receiver.answers(reply(500))
        await user_client.post(f"webhooks/{endpoint['id']}/ping")

        (delivery,) = await log_of(user_client, endpoint)
        assert (delivery["status"], delivery["response_status"]) == ("failed", 500)
        assert await sweep() == 0
        after = (await user_client.get(f"webhooks/{endpoint['id']}")).json()
        assert after["consecutive_failures"] == 0

    async def test_takes_an_endpoint_that_is_enabled(
        self, user_client: AsyncClient, receiver: Receiver
    ) -> None:
        path = f"webhooks/{(await register(user_client, receiver))['id']}"
        await user_client.patch(path, json={"is_enabled": False})

        response = await user_client.post(f"{path}/ping")

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:webhook.endpoint_disabled"


class TestRedeliver:
    async def test_sends_the_same_event_once_more(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell
    ) -> None:
        endpoint = await register(user_client, receiver)
        await tell()
        (old,) = await log_of(user_client, endpoint)
        path = f"webhooks/{endpoint['id']}/deliveries/{old['id']}/redeliver"

        response = await user_client.post(path)

        assert response.status_code == 202
        assert response.headers["location"].endswith(response.json()["id"])
        first, second = receiver.received
        assert verified(endpoint["secret"], first) == verified(endpoint["secret"], second)
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert [it["attempts"] for it in await log_of(user_client, endpoint)] == [1, 1]

    async def test_waits_until_the_first_one_is_over(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell
    ) -> None:
        endpoint = await register(user_client, receiver)
        receiver.answers(reply(500))
        await tell()
        (old,) = await log_of(user_client, endpoint)
        path = f"webhooks/{endpoint['id']}"

        pending = await user_client.post(f"{path}/deliveries/{old['id']}/redeliver")
        unknown = await user_client.post(f"{path}/deliveries/{uuid4()}/redeliver")
        await user_client.patch(path, json={"is_enabled": False})
        disabled = await user_client.post(f"{path}/deliveries/{old['id']}/redeliver")

        assert (pending.status_code, unknown.status_code, disabled.status_code) == (409, 404, 409)
        assert pending.json()["type"] == "urn:problem:webhook.delivery_pending"
        assert disabled.json()["type"] == "urn:problem:webhook.endpoint_disabled"
