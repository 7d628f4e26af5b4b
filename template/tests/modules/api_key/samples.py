from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.errors import DatabaseUnreachableError
from app.modules.api_key.models import ApiKeyUsage, ApiKeyUsageDay, KeyUse

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def age_in_days(moment: str) -> float:
    return (datetime.fromisoformat(moment) - datetime.now(UTC)) / timedelta(days=1)


def events(logs: list[Any]) -> list[dict[str, Any]]:
    return [dict(entry) for entry in logs if entry["event"] == "security event"]


def use(key_id: str | UUID, **values: Any) -> KeyUse:  # noqa: ANN401 (any field)
    defaults = KeyUse(UUID(str(key_id)), NOON, "GET", "/things", 200, 2.0, "192.0.2.1")
    return defaults._replace(**values)


async def records(session: AsyncSession) -> list[ApiKeyUsage]:
    return list(await session.scalars(select(ApiKeyUsage).order_by(ApiKeyUsage.id)))


async def days(session: AsyncSession) -> list[ApiKeyUsageDay]:
    statement = select(ApiKeyUsageDay).execution_options(populate_existing=True)
    return list(await session.scalars(statement.order_by(ApiKeyUsageDay.day)))


class Unreachable:
    """What the database is to its users when it is away."""

    def transaction(self) -> None:
        raise DatabaseUnreachableError("OSError")
