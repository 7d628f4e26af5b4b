from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.feature import extensions_of
from app.infrastructure.database.purge import Purge, purge
from app.modules.audit.feature import feature
from app.modules.audit.settings import AuditSettings

from .samples import create_event, stored

pytestmark = pytest.mark.anyio


def purges(days: int) -> tuple[Purge, ...]:
    return extensions_of([feature(AuditSettings(retention_days=days))]).of(Purge)


class TestPurge:
    async def test_deletes_what_is_older_than_a_year(
        self, state: dict[str, Any], session: AsyncSession
    ) -> None:
        now = datetime.now(UTC)
        await create_event(session, name="too_old", at=now - timedelta(days=365, minutes=1))
        await create_event(session, name="old", at=now - timedelta(days=364, hours=23))

        counts = await purge(state["database"], state["extensions"])
        again = await purge(state["database"], state["extensions"])

        assert (counts["audit_events"], again["audit_events"]) == (1, 0)
        assert await stored(session, "too_old") == []
        assert len(await stored(session, "old")) == 1

    async def test_keeps_as_long_as_it_is_told(self, session: AsyncSession) -> None:
        now = datetime.now(UTC)
        await create_event(session, at=now - timedelta(days=31))
        (month,) = purges(30)
        (century,) = purges(36_500)

        assert await century.purge(session, now) == 0
        assert await month.purge(session, now) == 1

    async def test_for_ever_deletes_nothing(self) -> None:
        assert purges(0) == ()


class TestSettings:
    @pytest.mark.parametrize("days", [-1, 36_501])
    def test_refuses_what_is_no_span(self, days: int) -> None:
        with pytest.raises(ValidationError):
            AuditSettings(retention_days=days)
