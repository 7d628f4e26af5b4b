import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.infrastructure.database.database import Database
from app.modules.api_key.models import ApiKey
from app.modules.user.models import User
from tests.fixtures.api_key import generate
from tests.fixtures.auth import create_user, log_in
from tests.support import client_of

from .samples import age_in_days, events, in_days

pytestmark = pytest.mark.anyio


class TestRotate:
    async def test_gives_a_new_key_that_may_do_the_same(
        self, user_client: AsyncClient, client: AsyncClient, user: User
    ) -> None:
        old = await generate(user_client, expires_at=in_days(10))

        with capture_logs() as logs:
            response = await user_client.post(
                f"api-keys/{old['id']}/rotate", json={"overlap_seconds": 3600}
            )

        assert response.status_code == 201, response.text
        new = response.json()
        assert response.headers["location"] == f"/api/v1/api-keys/{new['id']}"
        assert new["key"] != old["key"]
        assert (new["name"], new["scopes"]) == (old["name"], old["scopes"])
        assert 9.9 < age_in_days(new["expires_at"]) < 10.1
        for key in (old["key"], new["key"]):
            answer = await client.get("users/me", headers={"X-API-Key": key})
            assert answer.status_code == 200
        replaced = (await user_client.get(f"api-keys/{old['id']}")).json()
        assert replaced["replaced_by_id"] == new["id"]
        assert 0.04 < age_in_days(replaced["expires_at"]) < 0.042
        (event,) = events(logs)
        assert event["name"] == "api_key_rotated"
        assert event["target_id"] == str(user.id)
        assert (event["key_id"], event["new_key_id"]) == (old["id"], new["id"])
        assert event["overlap_seconds"] == 3600

    async def test_without_overlap_ends_the_old_one_at_once(
        self, user_client: AsyncClient, client: AsyncClient
    ) -> None:
        old = await generate(user_client)

        await user_client.post(f"api-keys/{old['id']}/rotate", json={"overlap_seconds": 0})

        response = await client.get("users/me", headers={"X-API-Key": old["key"]})
        assert response.status_code == 401

    async def test_never_prolongs_the_old_one(self, user_client: AsyncClient) -> None:
        old = await generate(user_client, expires_at=in_days(0.01))

        await user_client.post(f"api-keys/{old['id']}/rotate", json={"overlap_seconds": 604_800})

        replaced = (await user_client.get(f"api-keys/{old['id']}")).json()
        assert replaced["expires_at"] == old["expires_at"]

    async def test_keeps_within_the_longest_life_of_today(
        self, user_client: AsyncClient, settings_of: Callable[..., None]
    ) -> None:
        settings_of(longest_ttl_days=0)
        old = await generate(user_client)
        unlimited = await user_client.post(
            f"api-keys/{old['id']}/rotate", json={"overlap_seconds": 0}
        )
        settings_of(longest_ttl_days=7)

        response = await user_client.post(
            f"api-keys/{unlimited.json()['id']}/rotate", json={"overlap_seconds": 0}
        )

        assert unlimited.json()["expires_at"] is None
        assert 6.9 < age_in_days(response.json()["expires_at"]) <= 7

    async def test_happens_once(self, user_client: AsyncClient) -> None:
        old = await generate(user_client)
        path, body = f"api-keys/{old['id']}/rotate", {"overlap_seconds": 60}

        responses = [await user_client.post(path, json=body) for _ in range(2)]

        assert [response.status_code for response in responses] == [201, 409]
        assert responses[1].json()["type"] == "urn:problem:api_key.over"
        assert (await user_client.get("api-keys")).json()["total_count"] == 2

    async def test_does_not_revive_an_expired_one(
        self, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        old = await generate(user_client)
        (await session.scalars(select(ApiKey))).one().expires_at = datetime.now(UTC)
        await session.commit()

        response = await user_client.post(
            f"api-keys/{old['id']}/rotate", json={"overlap_seconds": 60}
        )

        assert response.status_code == 409

    async def test_is_possible_at_the_limit(
        self, user_client: AsyncClient, settings_of: Callable[..., None]
    ) -> None:
        settings_of(keys_per_user=1)
        old = await generate(user_client)

        response = await user_client.post(
            f"api-keys/{old['id']}/rotate", json={"overlap_seconds": 60}
        )

        assert response.status_code == 201

    async def test_needs_a_recent_login(
        self, user_client: AsyncClient, stale_client: AsyncClient
    ) -> None:
        old = await generate(user_client)

        response = await stale_client.post(
            f"api-keys/{old['id']}/rotate", json={"overlap_seconds": 60}
        )

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:auth.recent_login_required"

    @pytest.mark.parametrize("body", [{}, {"overlap_seconds": -1}, {"overlap_seconds": 604_801}])
    async def test_refuses_what_breaks_a_rule(
        self, user_client: AsyncClient, body: dict[str, int]
    ) -> None:
        old = await generate(user_client)

        response = await user_client.post(f"api-keys/{old['id']}/rotate", json=body)

        assert response.status_code == 422

    async def test_lets_one_of_many_at_once_through(
        self, app: FastAPI, state: dict[str, Any], committed: Database
    ) -> None:
        async with committed.write_sessions() as session:
            owner = await create_user(session)
        async with client_of(app, state) as client:
            await log_in(client, state, owner)
            path = f"api-keys/{(await generate(client))['id']}/rotate"
            responses = await asyncio.gather(
                *(client.post(path, json={"overlap_seconds": 60}) for _ in range(10))
            )
            listed = await client.get("api-keys")

        assert Counter(response.status_code for response in responses) == {201: 1, 409: 9}
        assert listed.json()["total_count"] == 2
