"""Replacing an endpoint's secret, and the one that all secrets are encrypted under."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.modules.webhook.delivery import Courier
from app.modules.webhook.models import WebhookEndpoint
from app.modules.webhook.signing import SecretBox, signed_headers
from tests.fixtures.auth import Witness

from .conftest import log_of, register, row_of
from .receiver import Receiver, is_signed, verified

pytestmark = pytest.mark.anyio

Tell = Callable[..., Awaitable[None]]


async def rotate(
    client: AsyncClient, endpoint: dict[str, Any], overlap_seconds: int
) -> dict[str, Any]:
    path = f"webhooks/{endpoint['id']}/rotate-secret"
    response = await client.post(path, json={"overlap_seconds": overlap_seconds})
    assert response.status_code == 200, response.text
    rotated: dict[str, Any] = response.json()
    assert rotated["secret"] != endpoint["secret"]
    return rotated


class TestSignature:
    def test_is_that_of_the_specification(self) -> None:
        """The example that the libraries of Standard Webhooks are tested with."""
        headers = signed_headers(
            ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            b'{"test": 2432232314}',
        )

        assert headers == {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        }


class TestRotate:
    async def test_signs_with_both_secrets_for_a_while(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell, witness: Witness
    ) -> None:
        old = await register(user_client, receiver)
        new = await rotate(user_client, old, 3600)

        await tell()

        (received,) = receiver.received
        assert verified(new["secret"], received) == verified(old["secret"], received)
        first = received.headers["webhook-signature"].split(" ")[0]
        received.headers["webhook-signature"] = first
        assert is_signed(new["secret"], received)
        ends_at = datetime.fromisoformat(new["previous_secret_ends_at"])
        assert timedelta(minutes=59) < ends_at - datetime.now(UTC) <= timedelta(hours=1)
        assert (witness.names[-1], dict(witness.events[-1].details)) == (
            "webhook_secret_rotated",
            {"endpoint_id": old["id"], "overlap_seconds": 3600},
        )

    async def test_ends_the_overlap(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell, session: AsyncSession
    ) -> None:
        old = await register(user_client, receiver)
        new = await rotate(user_client, old, 3600)
        stored = await row_of(session, WebhookEndpoint, old["id"])
        stored.previous_secret_ends_at = datetime.now(UTC)
        await session.commit()

        await tell()

        (received,) = receiver.received
        assert not is_signed(old["secret"], received)
        verified(new["secret"], received)

    async def test_drops_a_secret_that_somebody_has_seen_at_once(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell, session: AsyncSession
    ) -> None:
        old = await register(user_client, receiver)
        new = await rotate(user_client, old, 0)

        await tell()

        (received,) = receiver.received
        assert not is_signed(old["secret"], received)
        verified(new["secret"], received)
        stored = await row_of(session, WebhookEndpoint, old["id"])
        assert stored.previous_secret is None
        assert new["previous_secret_ends_at"] is None

    async def test_keeps_the_latest_of_several(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell
    ) -> None:
        first = await register(user_client, receiver)
        second = await rotate(user_client, first, 3600)
        third = await rotate(user_client, second, 3600)

        await tell()

        (received,) = receiver.received
        counts = [is_signed(it["secret"], received) for it in (first, second, third)]
        assert counts == [False, True, True]

    @pytest.mark.parametrize("seconds", [-1, 604_801, None])
    async def test_has_an_end_within_a_week(
        self, user_client: AsyncClient, receiver: Receiver, seconds: int | None
    ) -> None:
        endpoint = await register(user_client, receiver)
        path = f"webhooks/{endpoint['id']}/rotate-secret"

        response = await user_client.post(path, json={"overlap_seconds": seconds})

        assert response.status_code == 422


class TestSecretBox:
    def test_gives_a_secret_to_no_other_endpoint(self) -> None:
        box, endpoint_id = SecretBox([b"1" * 32]), uuid4()
        sealed = box.seal("whsec_MTIz", endpoint_id)

        assert box.open(sealed, endpoint_id) == ("whsec_MTIz", True)
        assert box.open(sealed, uuid4()) is None
        assert box.seal("whsec_MTIz", endpoint_id) != sealed

    async def test_seals_again_under_the_key_in_use(
        self,
        user_client: AsyncClient,
        receiver: Receiver,
        tell: Tell,
        courier: Courier,
    ) -> None:
        old, new = b"1" * 32, b"2" * 32
        courier.box = SecretBox([old])
        first = await register(user_client, receiver)
        endpoint = await rotate(user_client, first, 3600)
        courier.box = SecretBox([new, old])
        await tell()
        courier.box = SecretBox([new])
        await tell()

        before, after = receiver.received
        verified(endpoint["secret"], before)
        verified(endpoint["secret"], after)
        # The one before it is on its way out, and not worth the effort.
        assert [is_signed(first["secret"], it) for it in (before, after)] == [True, False]

    async def test_says_so_when_its_key_is_gone(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell, courier: Courier
    ) -> None:
        endpoint = await register(user_client, receiver)
        courier.box = SecretBox([b"3" * 32])
        with capture_logs() as lines:
            await tell()

        (delivery,) = await log_of(user_client, endpoint)
        assert (delivery["status"], delivery["error"]) == ("pending", "secret_lost")
        assert receiver.received == []
        lost = [it for it in lines if it["event"] == "webhook secret lost"]
        assert [it["endpoint_id"] for it in lost] == [endpoint["id"]]

    async def test_is_mended_by_a_new_secret(
        self, user_client: AsyncClient, receiver: Receiver, tell: Tell, courier: Courier
    ) -> None:
        endpoint = await register(user_client, receiver)
        courier.box = SecretBox([b"3" * 32])
        rotated = await rotate(user_client, endpoint, 3600)
        await tell()

        verified(rotated["secret"], receiver.received[0])
