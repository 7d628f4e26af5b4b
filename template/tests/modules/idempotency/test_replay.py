"""A repeat is answered as the first request was."""

from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI, Response
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.idempotency.service import Idempotency
from app.modules.idempotency.settings import IdempotencySettings
from tests.fixtures.auth import create_user, log_in
from tests.support import client_of

from .shop import Shop

pytestmark = pytest.mark.anyio

KEY = {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}
TEA = {"item": "tea"}


def made_by_route(response: Any) -> list[tuple[str, str]]:  # noqa: ANN401 (a client's response)
    names = {"content-type", "content-length", "location", "etag"}
    return [(name, value) for name, value in response.headers.items() if name in names]


class TestReplay:
    async def test_is_byte_by_byte_the_first_answer(self, buyer: AsyncClient, shop: Shop) -> None:
        first = await buyer.post("orders", json=TEA, headers=KEY)
        again = await buyer.post("orders", json=TEA, headers=KEY)

        assert (first.status_code, again.status_code) == (201, 201)
        assert again.content == first.content
        assert [name for name, _ in made_by_route(first)] == [
            "content-length",
            "content-type",
            "location",
        ]
        assert made_by_route(again) == made_by_route(first)
        assert shop.runs == 1

    async def test_says_so(self, buyer: AsyncClient) -> None:
        first = await buyer.post("orders", json=TEA, headers=KEY)
        again = await buyer.post("orders", json=TEA, headers=KEY)

        assert "idempotency-replayed" not in first.headers
        assert again.headers["idempotency-replayed"] == "true"
        assert again.headers["x-request-id"] != first.headers["x-request-id"]

    async def test_sets_no_cookie_again(self, buyer: AsyncClient) -> None:
        first = await buyer.post("orders", json=TEA, headers=KEY)
        again = await buyer.post("orders", json=TEA, headers=KEY)

        assert first.headers["set-cookie"].startswith("basket=empty")
        assert "set-cookie" not in again.headers

    async def test_keeps_what_is_no_text(self, buyer: AsyncClient, shop: Shop) -> None:
        body = bytes(range(256))
        shop.response = Response(body, 200, {"ETag": '"1"'}, "application/octet-stream")

        await buyer.post("orders", json=TEA, headers=KEY)
        again = await buyer.post("orders", json=TEA, headers=KEY)

        assert (again.status_code, again.content) == (200, body)
        assert again.headers["etag"] == '"1"'

    async def test_keeps_an_error_that_the_route_committed(
        self, buyer: AsyncClient, shop: Shop
    ) -> None:
        """Returned and not raised: what the route did stands."""
        shop.response = Response("half of it", 502)

        await buyer.post("orders", json=TEA, headers=KEY)
        again = await buyer.post("orders", json=TEA, headers=KEY)

        assert (again.status_code, again.text, shop.runs) == (502, "half of it", 1)

    async def test_of_an_empty_answer_is_empty(self, buyer: AsyncClient, shop: Shop) -> None:
        path = f"orders/{uuid4()}/gift"

        statuses = [(await buyer.post(path, headers=KEY)).status_code for _ in range(2)]

        assert (statuses, shop.runs) == ([204, 204], 1)

    async def test_works_without_the_session_and_without_a_coroutine(
        self, buyer: AsyncClient
    ) -> None:
        first = await buyer.post("parcels", headers=KEY)
        again = await buyer.post("parcels", headers=KEY)
        other = await buyer.post("parcels")

        assert [it.status_code for it in (first, again, other)] == [202, 202, 202]
        assert [it.json()["run"] for it in (first, again, other)] == [1, 1, 2]

    async def test_knows_forms(self, buyer: AsyncClient, shop: Shop) -> None:
        form = {"item": "tea"}

        first = await buyer.post("orders/form", data=form, headers=KEY)
        again = await buyer.post("orders/form", data=form, headers=KEY)
        other = await buyer.post("orders/form", data={"item": "milk"}, headers=KEY)

        assert (first.json(), again.json(), other.status_code) == ("tea", "tea", 422)
        assert shop.runs == 1

    async def test_takes_a_quoted_key_for_the_bare_one(
        self, buyer: AsyncClient, shop: Shop
    ) -> None:
        quoted = {"Idempotency-Key": f'"{KEY["Idempotency-Key"]}"'}

        await buyer.post("orders", json=TEA, headers=KEY)
        again = await buyer.post("orders", json=TEA, headers=quoted)

        assert (again.status_code, shop.runs) == (201, 1)


class TestScope:
    async def test_is_the_account(
        self,
        buyer: AsyncClient,
        shop: Shop,
        shop_app: FastAPI,
        state: dict[str, Any],
        session: AsyncSession,
    ) -> None:
        other = await create_user(session)
        async with client_of(shop_app, state) as client:
            await log_in(client, state, other)
            first = await buyer.post("orders", json=TEA, headers=KEY)
            others = await client.post("orders", json=TEA, headers=KEY)

        assert (first.status_code, others.status_code, shop.runs) == (201, 201, 2)
        assert others.json()["id"] != first.json()["id"]

    async def test_is_the_account_in_its_next_login(
        self,
        buyer: AsyncClient,
        shop: Shop,
        shop_app: FastAPI,
        state: dict[str, Any],
        user: Any,  # noqa: ANN401
    ) -> None:
        first = await buyer.post("orders", json=TEA, headers=KEY)
        async with client_of(shop_app, state) as client:
            await log_in(client, state, user, scopes=["profile:write"])
            again = await client.post("orders", json=TEA, headers=KEY)

        assert (again.json(), shop.runs) == (first.json(), 1)

    async def test_is_the_route(self, buyer: AsyncClient, shop: Shop) -> None:
        await buyer.post("orders/urgent", headers=KEY)
        await buyer.post("parcels", headers=KEY)

        assert shop.runs == 2

    async def test_needs_a_key(self, buyer: AsyncClient, shop: Shop) -> None:
        for _ in range(2):
            assert (await buyer.post("orders", json=TEA)).status_code == 201

        assert shop.runs == 2

    async def test_leaves_other_methods_and_routes_alone(
        self, buyer: AsyncClient, shop: Shop
    ) -> None:
        for _ in range(2):
            assert (await buyer.get("orders", headers={"Idempotency-Key": "a b"})).json() == []
            assert (await buyer.post("parcels/unkeyed", headers=KEY)).status_code == 200

        assert shop.runs == 2


class TestLargeAnswer:
    async def test_is_sent_once_and_the_work_done_once(
        self, buyer: AsyncClient, shop: Shop, state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = IdempotencySettings(max_response_bytes=10)
        small = Idempotency(settings, state["keyring"])
        monkeypatch.setitem(state, "idempotency", lambda: small)

        first = await buyer.post("orders", json=TEA, headers=KEY)
        again = await buyer.post("orders", json=TEA, headers=KEY)

        assert (first.status_code, again.status_code, shop.runs) == (201, 409, 1)
        problem = again.json()
        assert problem["type"] == "urn:problem:idempotency.response_not_kept"
        assert problem["first_status"] == 201
        assert "retry-after" not in again.headers

    async def test_of_the_bound_is_kept(
        self, buyer: AsyncClient, shop: Shop, state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = IdempotencySettings(max_response_bytes=10)
        small = Idempotency(settings, state["keyring"])
        monkeypatch.setitem(state, "idempotency", lambda: small)
        shop.response = Response(b"0123456789")

        await buyer.post("orders", json=TEA, headers=KEY)
        again = await buyer.post("orders", json=TEA, headers=KEY)

        assert (again.status_code, again.text) == (200, "0123456789")
