"""Which keys are refused, and what a refusal leaves behind."""

from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Message
from structlog.testing import capture_logs

from app.core.routing import API_PREFIX
from app.modules.idempotency.models import IdempotencyKey
from app.modules.user.models import User
from tests.fixtures.auth import log_in
from tests.support import client_of

from .shop import Shop, SoldOutError, streamed

pytestmark = pytest.mark.anyio

KEY = {"Idempotency-Key": "k-1"}
TEA = {"item": "tea"}


async def count_keys(session: AsyncSession) -> int:
    return (await session.scalars(select(func.count()).select_from(IdempotencyKey))).one()


class TestKey:
    @pytest.mark.parametrize(
        "key", ["", '""', "a b", "a,b", '"a', 'a"', '"a";v=1', "ä", "x" * 256, f'"{"x" * 256}"']
    )
    async def test_that_is_malformed_is_refused(
        self, buyer: AsyncClient, shop: Shop, key: str
    ) -> None:
        headers = [(b"idempotency-key", key.encode("latin-1"))]
        response = await buyer.post("orders", json=TEA, headers=headers)

        assert response.status_code == 422
        assert response.json()["errors"][0]["loc"] == ["header", "Idempotency-Key"]
        assert shop.runs == 0

    @pytest.mark.parametrize("key", ["1", "x" * 255, f'"{"x" * 255}"', "a:/+=b", '"a,b"'])
    async def test_may_be_any_short_text(self, buyer: AsyncClient, key: str) -> None:
        response = await buyer.post("orders", json=TEA, headers={"Idempotency-Key": key})

        assert response.status_code == 201

    async def test_that_comes_twice_is_refused(self, buyer: AsyncClient, shop: Shop) -> None:
        twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
        response = await buyer.post("orders", json=TEA, headers=twice)

        assert response.status_code == 400
        assert response.json()["type"] == "urn:problem:idempotency.key_ambiguous"
        assert shop.runs == 0

    async def test_that_is_required_and_missing_is_refused(
        self, buyer: AsyncClient, shop: Shop
    ) -> None:
        response = await buyer.post("orders/urgent")

        assert response.status_code == 400
        assert response.json()["type"] == "urn:problem:idempotency.key_missing"
        assert shop.runs == 0
        assert (await buyer.post("orders/urgent", headers=KEY)).status_code == 200


class TestOtherRequest:
    async def refused(self, buyer: AsyncClient, path: str, **request: Any) -> None:  # noqa: ANN401
        response = await buyer.post(path, headers=KEY, **request)

        assert response.status_code == 422
        assert response.json()["type"] == "urn:problem:idempotency.key_reused"

    async def test_is_one_with_another_body(self, buyer: AsyncClient, shop: Shop) -> None:
        await buyer.post("orders", json=TEA, headers=KEY)

        await self.refused(buyer, "orders", json={"item": "milk"})
        assert shop.runs == 1

    async def test_is_one_with_another_query(self, buyer: AsyncClient) -> None:
        await buyer.post("orders", json=TEA, headers=KEY)

        await self.refused(buyer, "orders?express=1", json=TEA)

    async def test_is_one_with_another_path(self, buyer: AsyncClient) -> None:
        await buyer.post(f"orders/{uuid4()}/gift", headers=KEY)

        await self.refused(buyer, f"orders/{uuid4()}/gift")


class TestCaller:
    @pytest.mark.parametrize("path", ["orders", "orders/urgent", "parcels"])
    @pytest.mark.parametrize("headers", [{}, KEY, {"Idempotency-Key": "a b"}], ids=str)
    async def test_must_be_known(
        self, shop_app: FastAPI, state: dict[str, Any], path: str, headers: dict[str, str]
    ) -> None:
        """A stranger is not told what else is missing."""
        async with client_of(shop_app, state) as stranger:
            response = await stranger.post(path, headers=headers)

        assert response.status_code == 401

    async def test_reads_no_answer_that_they_could_not_have_caused(
        self, buyer: AsyncClient, shop: Shop, shop_app: FastAPI, state: dict[str, Any], user: User
    ) -> None:
        """A token of the same account, without the right to order."""
        first = await buyer.post("orders", json=TEA, headers=KEY)
        async with client_of(shop_app, state) as limited:
            await log_in(limited, state, user, scopes=["profile:read"])
            refused = await limited.post("orders", json=TEA, headers=KEY)

        assert (refused.status_code, shop.runs) == (403, 1)
        assert first.json()["id"] not in refused.text

    async def test_without_the_right_leaves_no_claim(
        self,
        shop_app: FastAPI,
        shop: Shop,
        state: dict[str, Any],
        user: User,
        session: AsyncSession,
    ) -> None:
        async with client_of(shop_app, state) as limited:
            await log_in(limited, state, user, scopes=["profile:read"])
            refused = await limited.post("orders", json=TEA, headers=KEY)

        assert (refused.status_code, shop.runs, await count_keys(session)) == (403, 0, 0)


class TestUndoneRequest:
    @pytest.mark.parametrize(
        ("error", "status"), [(SoldOutError("None left."), 409), (ZeroDivisionError(), 500)]
    )
    async def test_may_run_again(
        self, buyer: AsyncClient, shop: Shop, session: AsyncSession, error: Exception, status: int
    ) -> None:
        shop.error = error
        with capture_logs():
            assert (await buyer.post("orders", json=TEA, headers=KEY)).status_code == status
        assert await count_keys(session) == 0

        shop.error = None
        again = await buyer.post("orders", json=TEA, headers=KEY)

        assert (again.status_code, shop.runs) == (201, 2)
        assert "idempotency-replayed" not in again.headers

    async def test_with_a_wrong_body_may_be_corrected(
        self, buyer: AsyncClient, session: AsyncSession
    ) -> None:
        wrong = await buyer.post("orders", json={"thing": "tea"}, headers=KEY)
        assert (wrong.status_code, await count_keys(session)) == (422, 0)

        assert (await buyer.post("orders", json=TEA, headers=KEY)).status_code == 201

    async def test_is_one_that_streams_its_answer(
        self, buyer: AsyncClient, shop: Shop, session: AsyncSession
    ) -> None:
        shop.response = streamed()

        with capture_logs() as logs:
            response = await buyer.post("orders", json=TEA, headers=KEY)

        assert (response.status_code, await count_keys(session)) == (500, 0)
        (error,) = [it["exc_info"] for it in logs if it["event"] == "unhandled error"]
        assert str(error) == "StreamingResponse has no body that could be kept"
        assert (await buyer.post("orders", json=TEA)).text == "one"

    async def test_is_one_whose_body_ends_early(
        self, shop_app: FastAPI, shop: Shop, state: dict[str, Any], buyer: AsyncClient
    ) -> None:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        headers = {**buyer.headers, **KEY}
        scope = {
            "type": "http",
            "method": "POST",
            "path": f"{API_PREFIX}/orders",
            "query_string": b"",
            "headers": [(name.lower().encode(), it.encode()) for name, it in headers.items()],
            "scheme": "http",
            "server": ("test", 80),
            "client": ("127.0.0.1", 123),
            "state": dict(state),
        }
        await shop_app(scope, receive, send)

        assert (sent[0]["status"], shop.runs) == (400, 0)
