from typing import Any

import pytest
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.user.models import User
from tests.fixtures.auth import create_user

from .samples import create_event, stored

pytestmark = pytest.mark.anyio

ORIGIN = {"address": "203.0.113.7", "user_agent": "Kettle/1.0"}


@pytest.fixture
async def other(session: AsyncSession) -> User:
    return await create_user(session)


@pytest.fixture
async def events(session: AsyncSession, user: User, other: User) -> None:
    for name, actor_id, target_id in (
        ("by_them", user.id, user.id),
        ("by_them_to_another", user.id, other.id),
        ("by_a_stranger", None, user.id),
        ("by_another", other.id, user.id),
        ("of_another", other.id, other.id),
        ("of_nobody", None, None),
    ):
        await create_event(session, name=name, actor_id=actor_id, target_id=target_id, **ORIGIN)


@pytest.mark.usefixtures("events")
class TestExport:
    async def test_has_what_is_by_or_about_the_person(self, user_client: AsyncClient) -> None:
        response = await user_client.get("users/me/export")

        assert response.status_code == 200
        exported: list[dict[str, Any]] = response.json()["security_events"]
        seen = [(item["name"], item["is_by_you"], item["address"]) for item in exported]
        assert sorted(seen) == [
            ("by_a_stranger", False, None),
            ("by_another", False, None),
            ("by_them", True, "203.0.113.7"),
            ("by_them_to_another", True, "203.0.113.7"),
        ]

    async def test_tells_nothing_of_others(self, user_client: AsyncClient, other: User) -> None:
        response = await user_client.get("users/me/export")

        assert str(other.id) not in response.text


@pytest.mark.usefixtures("events")
class TestErase:
    @pytest.mark.parametrize("times", [1, 2])
    async def test_forgets_from_where_and_keeps_what(
        self, superuser_client: AsyncClient, user: User, session: AsyncSession, times: int
    ) -> None:
        for _ in range(times):
            assert (await superuser_client.delete(f"users/{user.id}")).status_code == 204

        left = {}
        for name in (
            "by_them",
            "by_them_to_another",
            "by_a_stranger",
            "by_another",
            "of_another",
            "of_nobody",
        ):
            (event,) = await stored(session, name)
            left[name] = (event.address, event.user_agent)
            assert (event.actor_id == user.id) == name.startswith("by_them")
        assert left == {
            "by_them": (None, None),
            "by_them_to_another": (None, None),
            "by_a_stranger": (None, None),
            "by_another": ("203.0.113.7", "Kettle/1.0"),
            "of_another": ("203.0.113.7", "Kettle/1.0"),
            "of_nobody": ("203.0.113.7", "Kettle/1.0"),
        }

    async def test_is_recorded_with_who_did_it(
        self, superuser_client: AsyncClient, user: User, superuser: User, session: AsyncSession
    ) -> None:
        await superuser_client.delete(f"users/{user.id}")

        (event,) = await stored(session, "account_anonymized")
        assert (event.actor_id, event.target_id) == (superuser.id, user.id)
        assert event.address == "127.0.0.1"
