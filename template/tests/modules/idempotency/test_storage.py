"""What is kept of a request, how safe, and for how long."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient
from pydantic import SecretStr, ValidationError
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap.settings import Settings
from app.infrastructure.database.purge import purge
from app.infrastructure.security.keys import Keyring
from app.infrastructure.security.settings import SecretSettings
from app.modules.idempotency.models import IdempotencyKey
from app.modules.idempotency.privacy import IdempotencyData
from app.modules.idempotency.service import Idempotency
from app.modules.idempotency.settings import IdempotencySettings
from app.modules.user.models import User

from .shop import Shop

pytestmark = pytest.mark.anyio

KEY = {"Idempotency-Key": "k-1"}
TEA = {"item": "tea-with-a-secret"}


@pytest.fixture
async def record(buyer: AsyncClient, session: AsyncSession) -> IdempotencyKey:
    """That of an order of tea, which has been answered."""
    assert (await buyer.post("orders", json=TEA, headers=KEY)).status_code == 201
    return (await session.scalars(select(IdempotencyKey))).one()


async def store(session: AsyncSession, **values: object) -> None:
    await session.execute(update(IdempotencyKey).values(values))
    await session.commit()


class TestRecord:
    async def test_tells_nobody_what_was_asked_or_answered(self, record: IdempotencyKey) -> None:
        stored = [getattr(record, column.name) for column in IdempotencyKey.__table__.columns]

        assert record.sealed_response is not None
        assert not [it for it in stored if isinstance(it, bytes) and b"secret" in it]
        assert not [it for it in stored if isinstance(it, str) and ("k-1" in it or "tea" in it)]
        assert (record.operation, record.status) == ("POST /orders", 201)

    async def test_of_another_request_is_no_answer(
        self, buyer: AsyncClient, session: AsyncSession, record: IdempotencyKey
    ) -> None:
        """Whoever may write to the database cannot hand one person's answer to another."""
        other = {"Idempotency-Key": "k-2"}
        await buyer.post("orders", json=TEA, headers=other)
        await store(session, sealed_response=record.sealed_response)

        statuses = [
            (await buyer.post("orders", json=TEA, headers=it)).status_code for it in (KEY, other)
        ]

        assert statuses == [201, 409]

    @pytest.mark.usefixtures("record")
    async def test_outlives_a_new_secret(
        self,
        buyer: AsyncClient,
        settings: Settings,
        state: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
        shop: Shop,
    ) -> None:
        key = SecretStr("a new key, made for the tests of keys")
        secret = SecretSettings(key=key, previous_keys=(settings.secret.key,))
        renewed = Idempotency(IdempotencySettings(), Keyring(secret))
        monkeypatch.setitem(state, "idempotency", lambda: renewed)

        again = await buyer.post("orders", json=TEA, headers=KEY)

        assert (again.status_code, shop.runs) == (201, 1)
        assert again.headers["idempotency-replayed"] == "true"


class TestExpiry:
    async def test_comes_after_a_day(self, record: IdempotencyKey) -> None:
        assert record.expires_at - record.created_at >= timedelta(days=1)
        assert record.expires_at - record.created_at < timedelta(days=1, minutes=1)

    async def test_makes_the_key_a_new_one(
        self, buyer: AsyncClient, shop: Shop, session: AsyncSession, record: IdempotencyKey
    ) -> None:
        await store(session, expires_at=datetime.now(UTC) - timedelta(seconds=1))

        # Another payload: nothing of the former request counts.
        again = await buyer.post("orders", json={"item": "milk"}, headers=KEY)
        repeat = await buyer.post("orders", json={"item": "milk"}, headers=KEY)

        assert (again.status_code, shop.runs) == (201, 2)
        assert repeat.content == again.content
        assert (await session.scalars(select(IdempotencyKey.id))).all() == [record.id]

    @pytest.mark.usefixtures("record")
    async def test_is_followed_by_the_purge(
        self, session: AsyncSession, state: dict[str, Any]
    ) -> None:
        kept = await purge(state["database"], state["extensions"])
        await store(session, expires_at=datetime.now(UTC) - timedelta(seconds=1))
        purged = await purge(state["database"], state["extensions"])

        assert (kept["idempotency_keys"], purged["idempotency_keys"]) == (0, 1)
        assert (await session.scalars(select(IdempotencyKey.id))).all() == []


class TestPersonalData:
    async def test_is_exported_without_the_answers(
        self, buyer: AsyncClient, record: IdempotencyKey
    ) -> None:
        response = await buyer.get("users/me/export")

        assert response.json()["idempotency_keys"] == [
            {
                "operation": "POST /orders",
                "created_at": record.created_at.isoformat(),
                "expires_at": record.expires_at.isoformat(),
                "status": 201,
            }
        ]

    @pytest.mark.usefixtures("record")
    async def test_is_erased(self, session: AsyncSession, user: User, superuser: User) -> None:
        data = IdempotencyData()

        await data.erase(session, superuser.id)
        assert await data.export(session, user.id) != []
        await data.erase(session, user.id)
        await data.erase(session, user.id)

        assert await data.export(session, user.id) == []

    @pytest.mark.usefixtures("record")
    async def test_goes_with_the_account(self, session: AsyncSession, user: User) -> None:
        await session.execute(delete(User).where(User.id == user.id))

        assert (await session.scalars(select(IdempotencyKey.id))).all() == []


class TestSettings:
    @pytest.mark.parametrize(
        "values",
        [
            {"ttl_seconds": 3599},
            {"ttl_seconds": 2_592_001},
            {"lease_seconds": 0},
            {"lease_seconds": 3601},
            {"max_response_bytes": -1},
            {"max_response_bytes": 10_485_761},
        ],
        ids=str,
    )
    def test_refuse_what_makes_no_sense(self, values: dict[str, int]) -> None:
        with pytest.raises(ValidationError):
            IdempotencySettings.model_validate(values)
