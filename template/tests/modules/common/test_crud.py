from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import String
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.infrastructure.database.base import Base
from app.infrastructure.database.database import Database
from app.infrastructure.database.settings import DatabaseSettings
from app.modules.common.crud import CRUD
from app.modules.common.models import Record, SoftDeleteMixin, TimestampMixin, unique_among_live

pytestmark = pytest.mark.anyio


class Parcel(TimestampMixin, SoftDeleteMixin, Record):
    __tablename__ = "parcel"
    __table_args__ = (unique_among_live(__tablename__, "label"),)

    label: Mapped[str] = mapped_column(String(20))


# Only these tests have the table; the migrations must not miss it.
TABLE = Base.metadata.tables[Parcel.__tablename__]
Base.metadata.remove(TABLE)


class ParcelCRUD(CRUD[Parcel]):
    model = Parcel
    searched = (Parcel.label,)


@asynccontextmanager
async def parcel_session(settings: DatabaseSettings) -> AsyncGenerator[AsyncSession]:
    """A session in which the table exists; nothing of it stays."""
    database = Database(settings)
    async with database.write_engine.connect() as connection:
        transaction = await connection.begin()
        await connection.run_sync(TABLE.create)
        async with AsyncSession(connection, expire_on_commit=False) as session:
            yield session
        await transaction.rollback()
    await database.aclose()


@pytest.fixture
async def parcels(database_settings: DatabaseSettings) -> AsyncGenerator[ParcelCRUD]:
    async with parcel_session(database_settings) as session:
        yield ParcelCRUD(session)


async def add(parcels: ParcelCRUD, *labels: str) -> list[Parcel]:
    return [await parcels.add(Parcel(label=label)) for label in labels]


def labels(rows: object) -> list[str]:
    assert isinstance(rows, list | tuple)
    return [row.label for row in rows]


async def test_a_record_knows_what_the_database_set(parcels: ParcelCRUD) -> None:
    [parcel] = await add(parcels, "a")

    assert parcel.id.version == 7
    assert parcel.created_at.tzinfo is not None
    assert parcel.updated_at == parcel.created_at
    assert parcel.is_deleted is False


async def test_an_update_stamps_the_time(parcels: ParcelCRUD) -> None:
    [parcel] = await add(parcels, "a")
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    await parcels.update(parcel, {"updated_at": long_ago})

    await parcels.update(parcel, {"label": "b"})

    assert parcel.updated_at > long_ago


async def test_deleted_rows_are_not_seen(parcels: ParcelCRUD) -> None:
    gone, kept = await add(parcels, "gone", "kept")
    await parcels.update(gone, {"deleted_at": datetime.now(UTC)})

    assert gone.is_deleted is True
    assert await parcels.get(gone.id) is None
    assert await parcels.get(kept.id) is kept
    rows, total = await parcels.page(parcels.select(), limit=10, offset=0)
    assert (labels(rows), total) == (["kept"], 1)


async def test_a_deleted_row_gives_its_name_back(parcels: ParcelCRUD) -> None:
    [first] = await add(parcels, "same")
    await parcels.update(first, {"deleted_at": datetime.now(UTC)})

    [second] = await add(parcels, "same")

    assert second.id != first.id


async def test_pages_carry_the_total(parcels: ParcelCRUD) -> None:
    await add(parcels, *"abcde")
    statement = parcels.select().order_by(Parcel.label)

    page, total = await parcels.page(statement, limit=2, offset=2)
    past, total_past = await parcels.page(statement, limit=2, offset=10)

    assert (labels(page), total) == (["c", "d"], 5)
    assert (labels(past), total_past) == ([], 5)


@pytest.mark.parametrize(
    ("words", "found"), [(None, ["10% off", "100 off"]), ("0%", ["10% off"]), ("OFF", 2), ("_", [])]
)
async def test_search_takes_words_literally(
    parcels: ParcelCRUD, words: str | None, found: list[str] | int
) -> None:
    await add(parcels, "10% off", "100 off")

    rows, total = await parcels.page(
        parcels.search(parcels.select().order_by(Parcel.label), words), limit=10, offset=0
    )

    assert (total if isinstance(found, int) else labels(rows)) == found
