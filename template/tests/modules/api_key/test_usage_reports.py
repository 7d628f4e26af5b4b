from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient

from app.modules.api_key.usage import UsageLog
from tests.fixtures.api_key import generate

from .samples import use

pytestmark = pytest.mark.anyio


class TestReadUsage:
    async def test_goes_through_the_records_newest_first(
        self, user_client: AsyncClient, usage: UsageLog, generated: dict[str, Any]
    ) -> None:
        other = await generate(user_client)
        for number in range(5):
            usage.note(use(generated["id"], route=f"/{number}"))
            usage.note(use(other["id"], route="/other"))
        await usage.flush()

        seen, cursor = [], None
        for _ in range(3):
            params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
            response = await user_client.get(f"api-keys/{generated['id']}/usage", params=params)
            assert response.status_code == 200
            seen += response.json()["data"]
            cursor = response.json()["next_cursor"]

        assert [item["route"] for item in seen] == ["/4", "/3", "/2", "/1", "/0"]
        assert cursor is None
        assert seen[0].keys() == {
            "id",
            "at",
            "method",
            "route",
            "status",
            "duration_ms",
            "address",
        }

    @pytest.mark.parametrize("params", [{"cursor": "!"}, {"limit": 0}, {"unknown": 1}])
    async def test_refuses_unknown_questions(
        self, user_client: AsyncClient, generated: dict[str, Any], params: dict[str, str]
    ) -> None:
        response = await user_client.get(f"api-keys/{generated['id']}/usage", params=params)

        assert response.status_code == 422


class TestReadUsageByDay:
    async def test_has_the_days_with_use_newest_first(
        self, user_client: AsyncClient, usage: UsageLog, generated: dict[str, Any]
    ) -> None:
        now = datetime.now(UTC)
        for ago, status in ((0, 200), (0, 404), (2, 503), (6, 200), (7, 200)):
            at = now - timedelta(days=ago)
            usage.note(use(generated["id"], at=at, status=status, duration_ms=1.0 + status / 200))
        await usage.flush()

        response = await user_client.get(
            f"api-keys/{generated['id']}/usage/daily", params={"days": 7}
        )

        assert response.status_code == 200
        today, other, first = response.json()
        assert today == {
            "day": now.date().isoformat(),
            "requests": 2,
            "client_errors": 1,
            "server_errors": 0,
            "average_ms": 2.51,
        }
        assert (other["requests"], other["server_errors"]) == (1, 1)
        assert first["day"] == (now - timedelta(days=6)).date().isoformat()

    async def test_is_empty_for_a_new_key(
        self, user_client: AsyncClient, generated: dict[str, Any]
    ) -> None:
        response = await user_client.get(f"api-keys/{generated['id']}/usage/daily")

        assert (response.status_code, response.json()) == (200, [])

    @pytest.mark.parametrize("params", [{"days": 0}, {"days": 367}, {"unknown": 1}])
    async def test_refuses_unknown_questions(
        self, user_client: AsyncClient, generated: dict[str, Any], params: dict[str, str]
    ) -> None:
        response = await user_client.get(f"api-keys/{generated['id']}/usage/daily", params=params)

        assert response.status_code == 422
