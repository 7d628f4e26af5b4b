from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.dialects import sqlite

from app.infrastructure.database.types import UtcDateTime

DIALECT = sqlite.dialect()
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def test_stores_universal_time() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))

    assert UtcDateTime().process_bind_param(elsewhere, DIALECT) == NOON
    assert UtcDateTime().process_bind_param(None, DIALECT) is None


def test_refuses_a_time_without_a_zone() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        UtcDateTime().process_bind_param(NOON.replace(tzinfo=None), DIALECT)


@pytest.mark.parametrize("stored", [NOON, NOON.replace(tzinfo=None)])
def test_answers_an_aware_time(stored: datetime) -> None:
    assert UtcDateTime().process_result_value(stored, DIALECT) == NOON
