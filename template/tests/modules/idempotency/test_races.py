"""Real transactions side by side, and ends that nobody expects: what was ordered is made once."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import select, update
from structlog.testing import capture_logs

from app.bootstrap.settings import Settings
from app.infrastructure.database.database import Database
from app.modules.idempotency.models import IdempotencyKey
from app.modules.idempotency.service import Idempotency, KeyedRequest
from tests.fixtures.auth import create_user, log_in
from tests.support import client_of

from .shop import Shop

pytestmark = pytest.mark.anyio

Count = Callable[[], Awaitable[int]]
KEY = {"Idempotency-Key": "k-1"}
TEA = {"item": "tea"}


async def let_claims_lapse(database: Database) -> None:
    async with database.transaction() as session:
        before = datetime.now(UTC) - timedelta(seconds=1)
        await session.execute(update(IdempotencyKey).values(claimed_until=before))


class TestRequestsAtTheSameMoment:
    async def test_are_carried_out_once(self, real_buyer: AsyncClient, count_orders: Count) -> None:
        responses = await asyncio.gather(
            *(real_buyer.post("orders", json=TEA, headers=KEY) for _ in range(6))
        )

        assert await count_orders() == 1
        # Who comes late enough gets the answer, the others are asked to come again.
        assert {it.status_code for it in responses} <= {201, 409}
        assert len({it.content for it in responses if it.status_code == 201}) == 1
        fresh = [it for it in responses if "idempotency-replayed" not in it.headers]
        assert [it.status_code for it in fresh if it.status_code != 409] == [201]

    async def test_are_told_while_the_first_one_runs(
        self, real_buyer: AsyncClient, shop: Shop, count_orders: Count
    ) -> None:
        """At once, although the first one holds the only lock of SQLite."""
        shop.after = gate = shop.gate()
        first = asyncio.create_task(real_buyer.post("orders", json=TEA, headers=KEY))
        await gate.reached.wait()

        async with asyncio.timeout(5):
            repeats = await asyncio.gather(
                *(real_buyer.post("orders", json=TEA, headers=KEY) for _ in range(3))
            )
            other = await real_buyer.post("orders", json={"item": "milk"}, headers=KEY)
        gate.opened.set()

        assert [it.status_code for it in repeats] == [409, 409, 409]
        assert repeats[0].headers["retry-after"] == "1"
        assert repeats[0].json()["type"] == "urn:problem:idempotency.in_progress"
        assert other.status_code == 422
        again = await first, await real_buyer.post("orders", json=TEA, headers=KEY)
        assert [it.status_code for it in again] == [201, 201]
        assert again[0].content == again[1].content
        assert await count_orders() == 1

    async def test_have_one_claim(self, committed: Database, state: dict[str, Any]) -> None:
        """Both have seen that the key is free."""
        idempotency: Idempotency = state["idempotency"]()
        async with committed.write_sessions() as session:
            user = await create_user(session)
        request = KeyedRequest(user_id=user.id, operation="POST /x", key="k", content="c")

        outcomes = await asyncio.gather(*(idempotency.begin(committed, request) for _ in range(6)))

        kinds = sorted(type(it).__name__ for it in outcomes)
        assert kinds == ["Claim", *["RequestInProgressError"] * 5]


class TestSlowRequest:
    async def test_that_was_overtaken_is_undone(
        self, real_buyer: AsyncClient, shop: Shop, committed: Database, count_orders: Count
    ) -> None:
        shop.before = gate = shop.gate()
        slow = asyncio.create_task(real_buyer.post("orders", json=TEA, headers=KEY))
        await gate.reached.wait()
        await let_claims_lapse(committed)
        shop.before = None

        repeat = await real_buyer.post("orders", json=TEA, headers=KEY)
        gate.opened.set()
        late = await slow

        assert (repeat.status_code, late.status_code) == (201, 409)
        assert late.json()["type"] == "urn:problem:idempotency.claim_lost"
        assert (shop.runs, await count_orders()) == (2, 1)
        again = await real_buyer.post("orders", json=TEA, headers=KEY)
        assert again.content == repeat.content

    async def test_that_nobody_overtook_stands(
        self, real_buyer: AsyncClient, shop: Shop, committed: Database, count_orders: Count
    ) -> None:
        shop.before = gate = shop.gate()
        slow = asyncio.create_task(real_buyer.post("orders", json=TEA, headers=KEY))
        await gate.reached.wait()
        await let_claims_lapse(committed)
        gate.opened.set()

        assert ((await slow).status_code, await count_orders()) == (201, 1)


class TestEnd:
    async def test_before_the_commit_leaves_nothing(
        self, real_buyer: AsyncClient, shop: Shop, count_orders: Count
    ) -> None:
        def fail() -> None:
            raise ConnectionResetError

        shop.end = fail
        with capture_logs():
            failed = await real_buyer.post("orders", json=TEA, headers=KEY)
        assert (failed.status_code, await count_orders()) == (500, 0)

        shop.reset()
        again = await real_buyer.post("orders", json=TEA, headers=KEY)

        assert (again.status_code, await count_orders()) == (201, 1)

    async def test_by_cancelling_frees_the_key(
        self, real_buyer: AsyncClient, shop: Shop, count_orders: Count
    ) -> None:
        shop.after = gate = shop.gate()
        first = asyncio.create_task(real_buyer.post("orders", json=TEA, headers=KEY))
        await gate.reached.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        shop.reset()

        again = await real_buyer.post("orders", json=TEA, headers=KEY)

        assert again.status_code == 201
        assert await count_orders() == 1

    async def test_of_the_process_before_the_commit_leaves_nothing(
        self,
        real_buyer: AsyncClient,
        settings: Settings,
        committed: Database,
        count_orders: Count,
    ) -> None:
        """Killed with the order and its answer written, and not committed."""
        told = {
            "url": settings.database.url.get_secret_value(),
            "secret": settings.secret.key.get_secret_value(),
            "body": TEA,
            "headers": {"authorization": real_buyer.headers["authorization"], **KEY},
        }
        process = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "tests.modules.idempotency.dying"],
            input=json.dumps(told).encode(),
            check=False,
            capture_output=True,
        )
        assert process.returncode == -signal.SIGKILL, process.stderr
        assert await count_orders() == 0

        blocked = await real_buyer.post("orders", json=TEA, headers=KEY)
        await let_claims_lapse(committed)
        again = await real_buyer.post("orders", json=TEA, headers=KEY)

        assert (blocked.status_code, again.status_code) == (409, 201)
        assert await count_orders() == 1


class TestEveryOrder:
    async def test_holds_no_lock_that_it_waits_for(
        self, real_buyer: AsyncClient, count_orders: Count
    ) -> None:
        """Different keys side by side: each order takes two transactions, one after the other."""
        keys = [{"Idempotency-Key": f"k-{number}"} for number in range(6)]

        responses = await asyncio.gather(
            *(real_buyer.post("orders", json=TEA, headers=key) for key in keys)
        )

        assert {it.status_code for it in responses} == {201}
        assert await count_orders() == 6

    async def test_of_who_lacks_the_right_is_refused_and_recorded(
        self, shop_app: FastAPI, state: dict[str, Any], committed: Database
    ) -> None:
        """The record is a transaction of its own, beside the claim and the request."""
        async with committed.write_sessions() as session:
            user = await create_user(session)
        async with client_of(shop_app, state) as limited:
            await log_in(limited, state, user, scopes=["profile:read"])
            response = await limited.post("orders", json=TEA, headers=KEY)

        assert response.status_code == 403
        async with committed.reading() as session:
            assert (await session.scalars(select(IdempotencyKey))).all() == []
