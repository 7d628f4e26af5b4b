from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from pydantic import BaseModel
from sqlalchemy import bindparam
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.settings import DatabaseSettings
from app.modules.common.listing import Listing, contains
from tests.modules.common.test_crud import TABLE, Parcel, parcel_session

pytestmark = pytest.mark.anyio


class ParcelRead(BaseModel):
    id: UUID
    label: str


COLUMNS = TABLE.c
LIVE = COLUMNS.deleted_at.is_(None)
ALL = Listing(TABLE, ParcelRead, LIVE, order=[COLUMNS.label.asc()])
FOUND = Listing(TABLE, ParcelRead, LIVE, contains(COLUMNS.label, "words"))


@pytest.fixture
async def session(database_settings: DatabaseSettings) -> AsyncGenerator[AsyncSession]:
    async with parcel_session(database_settings) as session:
        yield session


async def add(session: AsyncSession, *labels: str) -> None:
    for label in labels:
        session.add(Parcel(label=label))
        await session.flush()
    session.add(Parcel(label="gone", deleted_at=datetime.now(UTC)))
    await session.flush()


async def test_pages_carry_the_total(session: AsyncSession) -> None:
    await add(session, *"cabed")

    page, total = await ALL.page(session, {}, limit=2, offset=2)
    past, total_past = await ALL.page(session, {}, limit=2, offset=10)

    assert ([row["label"] for row in page], total) == (["c", "d"], 5)
    assert page[0].keys() == {"id", "label"}
    assert (past, total_past) == ([], 5)


async def test_scrolling_reaches_each_row_once(session: AsyncSession) -> None:
    await add(session, *"abc")

    first, last = await ALL.after(session, {}, last=None, limit=2)
    second, end = await ALL.after(session, {}, last=last, limit=2)

    assert [row["label"] for row in first + second] == ["c", "b", "a"]
    assert end is None


async def test_a_full_last_page_has_no_next(session: AsyncSession) -> None:
    await add(session, *"ab")

    _, last = await ALL.after(session, {}, last=None, limit=2)

    assert last is None


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("0%", ["10% off"]),
        ("OFF", ["a/b off", "100 off", "10% off"]),
        ("_", []),
        ("/b", ["a/b off"]),
    ],
)
async def test_words_are_taken_literally(
    session: AsyncSession, words: str, found: list[str]
) -> None:
    await add(session, "10% off", "100 off", "a/b off")

    rows, _ = await FOUND.page(session, {"words": words}, limit=10, offset=0)

    assert [row["label"] for row in rows] == found


async def test_other_criteria_are_values_too(session: AsyncSession) -> None:
    one = Listing(TABLE, ParcelRead, LIVE, COLUMNS.label == bindparam("label"))
    await add(session, *"ab")

    rows, total = await one.page(session, {"label": "b"}, limit=10, offset=0)

    assert ([row["label"] for row in rows], total) == (["b"], 1)
