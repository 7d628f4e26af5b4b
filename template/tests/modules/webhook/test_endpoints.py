import asyncio
import base64
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.database import Database
from app.modules.user.models import User
from app.modules.webhook.models import WebhookDelivery, WebhookEndpoint
from app.modules.webhook.service import Scheme
from tests.fixtures.auth import Witness, create_user, log_in
from tests.infrastructure.http_client.servers import reply
from tests.support import client_of

from .conftest import log_of, register, row_of
from .receiver import Receiver

pytestmark = pytest.mark.anyio

Tell = Callable[..., Awaitable[None]]
Sweep = Callable[..., Awaitable[int]]


class TestRegister:
    async def test_shows_the_secret_this_once(
        self, user_client: AsyncClient, receiver: Receiver, witness: Witness
    ) -> None:
        registered = await register(user_client, receiver, description="Orders")
        word, _, secret = registered.pop("secret").partition("_")

        assert (word, len(base64.b64decode(secret, validate=True))) == ("whsec", 32)
        assert (await user_client.get(f"webhooks/{registered['id']}")).json() == registered
        assert (await user_client.get("webhooks")).json() == {
            "data": [registered],
            "total_count": 1,
            "has_more": False,
            "page": 1,
            "items_per_page": 10,
        }
        del registered["id"], registered["created_at"], registered["updated_at"]
        assert registered == {
            "url": receiver.hook,
            "description": "Orders",
            "event_types": ["account.notice"],
            "is_enabled": True,
            "disabled_reason": None,
            "consecutive_failures": 0,
            "previous_secret_ends_at": None,
        }
        assert witness.names == ["webhook_endpoint_registered"]

    async def test_stores_the_secret_encrypted(
        self, user_client: AsyncClient, receiver: Receiver, session: AsyncSession
    ) -> None:
        registered = await register(user_client, receiver)

        stored = await row_of(session, WebhookEndpoint, registered["id"])
        assert registered["secret"].encode() not in stored.secret
        assert base64.b64decode(registered["secret"].partition("_")[2]) not in stored.secret

    async def test_keeps_each_event_type_once(
        self, user_client: AsyncClient, receiver: Receiver
    ) -> None:
        registered = await register(user_client, receiver, event_types=["account.notice"] * 3)

        assert registered["event_types"] == ["account.notice"]

    @pytest.mark.parametrize(
        "body",
        [
            {"url": "ftp://hooks.example.com/"},
            {"url": "https://hooks.example.com/#part"},
            {"url": "https://hooks.example.com/a b"},
            {"url": "https://h\u00f6\u00f6ks.example.com/"},
            {"url": "https://hooks.example.com/" + "a" * 2048},
            {"event_types": []},
            {"event_types": ["tea.ready"]},
            {"event_types": ["webhook.ping"]},
            {"description": "\x00"},
            {"secret": "whsec_MTIz"},
            {"user_id": str(uuid4())},
        ],
        ids=str,
    )
    async def test_refuses_what_is_not_valid(
        self, user_client: AsyncClient, receiver: Receiver, body: dict[str, object]
    ) -> None:
        values = {"url": receiver.hook, "event_types": ["account.notice"], **body}

        assert (await user_client.post("webhooks", json=values)).status_code == 422

    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.2:{port}/",
            "http://127.0.0.1:22/",
            "http://169.254.169.254/latest/meta-data",
            "https://10.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://0x0a.1/",
            "https://name:password@93.184.215.14/",
            "https://nowhere.invalid/",
            "https://inside.example.com/",
            "https://both.example.com/",
            "https:///",
            "https://a:99999999/",
        ],
    )
    async def test_refuses_addresses_that_lead_inside_and_does_not_say_why(
        self,
        user_client: AsyncClient,
        receiver: Receiver,
        names: dict[str, Sequence[str]],
        url: str,
    ) -> None:
        names["inside.example.com"] = ["192.168.0.1"]
        names["both.example.com"] = ["93.184.215.14", "10.0.0.1"]
        body = {"url": url.replace("{port}", str(receiver.port)), "event_types": ["account.notice"]}

        response = await user_client.post("webhooks", json=body)

        assert response.status_code == 403
        problem = response.json()
        assert problem["type"] == "urn:problem:webhook.address_refused"
        assert problem["detail"] == (
            "This address cannot be called: it must be an http or https address of a public host "
            "that can be found, on a usual port and without a name and password."
        )
        assert receiver.received == []

    async def test_takes_https_alone_where_deployed(
        self,
        user_client: AsyncClient,
        receiver: Receiver,
        state: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setitem(state, "webhook_scheme", Scheme(https_only=True))
        body = {"url": receiver.hook, "event_types": ["account.notice"]}
        plain = await user_client.post("webhooks", json=body)
        body["url"] = "https://93.184.215.14/"
        encrypted = await user_client.post("webhooks", json=body)

        assert (plain.status_code, encrypted.status_code) == (403, 201)
        assert "it must be an https address" in plain.json()["detail"]

    async def test_has_a_limit_for_each_account(
        self,
        user_client: AsyncClient,
        superuser_client: AsyncClient,
        receiver: Receiver,
        adjust: Callable[..., None],
    ) -> None:
        adjust(endpoints_per_user=1)
        await register(user_client, receiver)
        body = {"url": receiver.hook, "event_types": ["account.notice"]}

        refused = await user_client.post("webhooks", json=body)

        assert refused.status_code == 409
        assert refused.json()["type"] == "urn:problem:webhook.too_many_endpoints"
        await register(superuser_client, receiver)

    async def test_keeps_the_limit_when_many_come_at_once(
        self,
        app: FastAPI,
        state: dict[str, Any],
        receiver: Receiver,
        committed: Database,
        adjust: Callable[..., None],
    ) -> None:
        adjust(endpoints_per_user=2)
        async with committed.write_sessions() as session:
            user = await create_user(session)
        body = {"url": receiver.hook, "event_types": ["account.notice"]}
        async with client_of(app, state) as client:
            await log_in(client, state, user)
            answers = await asyncio.gather(*(client.post("webhooks", json=body) for _ in range(5)))

        assert sorted(it.status_code for it in answers) == [201, 201, 409, 409, 409]

    async def test_refuses_an_account_that_was_closed_meanwhile(
        self,
        user_client: AsyncClient,
        receiver: Receiver,
        state: dict[str, Any],
        user: User,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        async def close(*_: object) -> None:
            async with state["database"].transaction() as session:
                (await session.get_one(User, user.id)).is_active = False

        # What happens while a name server thinks.
        monkeypatch.setattr(state["http_clients"]().guarded, "_look_up", close)
        body = {"url": receiver.hook, "event_types": ["account.notice"]}

        assert (await user_client.post("webhooks", json=body)).status_code == 401

    async def test_is_throttled(
        self, user_client: AsyncClient, receiver: Receiver, adjust: Callable[..., None]
    ) -> None:
        adjust(outgoing_per_hour=1)
        endpoint = await register(user_client, receiver)
        path, body = f"webhooks/{endpoint['id']}", {"url": receiver.hook}

        answers = [
            await user_client.post("webhooks", json=body | {"event_types": ["account.notice"]}),
            await user_client.patch(path, json=body),
            await user_client.post(f"{path}/ping"),
            await user_client.post(f"{path}/deliveries/{uuid4()}/redeliver"),
        ]

        assert [it.status_code for it in answers] == [429] * 4
        assert (await user_client.patch(path, json={"description": "a"})).status_code == 200


class TestUpdate:
    async def test_changes_what_is_there_and_leaves_the_rest(
        self, user_client: AsyncClient, receiver: Receiver, witness: Witness
    ) -> None:
        endpoint = await register(user_client, receiver, description="Orders")
        path = f"webhooks/{endpoint['id']}"

        moved = (await user_client.patch(path, json={"url": f"{receiver.url}/other"})).json()
        same = {"url": f"{receiver.url}/other", "event_types": ["account.notice"]}
        cleared = (await user_client.patch(path, json={**same, "description": None})).json()

        assert (moved["url"], moved["description"]) == (f"{receiver.url}/other", "Orders")
        assert (cleared["url"], cleared["description"]) == (f"{receiver.url}/other", None)
        assert witness.names == ["webhook_endpoint_registered", "webhook_endpoint_moved"]

    async def test_checks_what_register_checks(
        self, user_client: AsyncClient, receiver: Receiver
    ) -> None:
        path = f"webhooks/{(await register(user_client, receiver))['id']}"

        inside = await user_client.patch(path, json={"url": "https://10.0.0.1/"})
        unknown = await user_client.patch(path, json={"event_types": ["tea.ready"]})
        null = await user_client.patch(path, json={"is_enabled": None})

        assert (inside.status_code, unknown.status_code, null.status_code) == (403, 422, 422)

    async def test_disabling_cancels_what_is_on_its_way(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell, sweep: Sweep
    ) -> None:
        endpoint = await register(user_client, receiver)
        path = f"webhooks/{endpoint['id']}"
        receiver.answers(reply(500))
        await tell()

        disabled = (await user_client.patch(path, json={"is_enabled": False})).json()
        again = (await user_client.patch(path, json={"is_enabled": False})).json()
        await tell()

        assert (disabled["is_enabled"], disabled["disabled_reason"]) == (False, "owner")
        assert again["disabled_reason"] == "owner"
        assert await sweep() == 0
        (delivery,) = await log_of(user_client, endpoint)
        assert (delivery["status"], delivery["next_attempt_at"]) == ("cancelled", None)
        assert len(receiver.received) == 1

    async def test_enabling_starts_anew(
        self, user_client: AsyncClient, receiver: Receiver, session: AsyncSession, tell: Tell
    ) -> None:
        endpoint = await register(user_client, receiver)
        path = f"webhooks/{endpoint['id']}"
        await user_client.patch(path, json={"is_enabled": False})
        stored = await row_of(session, WebhookEndpoint, endpoint["id"])
        stored.consecutive_failures = 3
        await session.commit()

        enabled = (await user_client.patch(path, json={"is_enabled": True})).json()
        await tell()

        assert (enabled["is_enabled"], enabled["disabled_reason"]) == (True, None)
        assert enabled["consecutive_failures"] == 0
        assert len(receiver.received) == 1


class TestDelete:
    async def test_takes_the_deliveries_along(
        self,
        user_client: AsyncClient,
        receiver: Receiver,
        session: AsyncSession,
        tell: Tell,
        witness: Witness,
    ) -> None:
        endpoint = await register(user_client, receiver)
        await tell()

        response = await user_client.delete(f"webhooks/{endpoint['id']}")

        assert response.status_code == 204
        assert (await user_client.get(f"webhooks/{endpoint['id']}")).status_code == 404
        assert await session.scalar(select(func.count()).select_from(WebhookDelivery)) == 0
        assert witness.names[-1] == "webhook_endpoint_deleted"


class TestAccess:
    async def test_of_another_is_as_if_it_were_not_there(
        self,
        user_client: AsyncClient,
        superuser_client: AsyncClient,
        receiver: Receiver,
        tell: Tell,
    ) -> None:
        endpoint = await register(user_client, receiver)
        await tell()
        (delivery,) = await log_of(user_client, endpoint)
        own = await register(superuser_client, receiver)
        path = f"webhooks/{endpoint['id']}"
        requests: list[tuple[str, str, object]] = [
            ("GET", path, None),
            ("PATCH", path, {"description": "mine"}),
            ("DELETE", path, None),
            ("POST", f"{path}/rotate-secret", {"overlap_seconds": 0}),
            ("POST", f"{path}/ping", None),
            ("GET", f"{path}/deliveries", None),
            ("GET", f"{path}/deliveries/{delivery['id']}", None),
            ("POST", f"{path}/deliveries/{delivery['id']}/redeliver", None),
            # By way of an endpoint of one's own.
            ("GET", f"webhooks/{own['id']}/deliveries/{delivery['id']}", None),
            ("POST", f"webhooks/{own['id']}/deliveries/{delivery['id']}/redeliver", None),
        ]

        statuses = [
            (await superuser_client.request(method, url, json=body)).status_code
            for method, url, body in requests
        ]

        assert statuses == [404] * len(requests)
        assert (await superuser_client.get("webhooks")).json()["total_count"] == 1
        assert len(receiver.received) == 1

    async def test_takes_the_right_scope(
        self, client: AsyncClient, state: dict[str, Any], user: User, receiver: Receiver
    ) -> None:
        await log_in(client, state, user, scopes=["webhooks:read"])
        body = {"url": receiver.hook, "event_types": ["account.notice"]}

        assert (await client.get("webhooks")).status_code == 200
        assert (await client.post("webhooks", json=body)).status_code == 403
        await log_in(client, state, user, scopes=["webhooks:write"])
        assert (await client.post("webhooks", json=body)).status_code == 201
        assert (await client.get("webhooks")).status_code == 403

    async def test_shows_what_can_be_asked_for(self, user_client: AsyncClient) -> None:
        events = (await user_client.get("webhooks/events")).json()

        assert events[0].keys() == {"name", "description"}
        assert "account.notice" in [event["name"] for event in events]
        assert "webhook.ping" not in [event["name"] for event in events]
