"""What the tests of lists rely on."""

import pytest
from sqlalchemy import text

from app.infrastructure.database.database import Database
from tests.fixtures.statements import MOST_REPEATS, repeated, statements

pytestmark = pytest.mark.anyio


class TestStatements:
    async def test_are_those_that_are_sent_meanwhile(self, committed: Database) -> None:
        async with committed.reading() as session:
            with statements() as outer:
                await session.execute(text("SELECT 1"))
                with statements() as inner:
                    await session.execute(text("SELECT 2"))
            await session.execute(text("SELECT 3"))

        assert inner == ["SELECT 2"]
        assert outer == ["SELECT 1", "SELECT 2"]

    async def test_that_differ_in_their_parameters_alone_are_the_same(
        self, committed: Database
    ) -> None:
        with statements() as sent:
            async with committed.reading() as session:
                for number in range(MOST_REPEATS):
                    await session.scalar(text("SELECT CAST(:it AS INTEGER)"), {"it": number})
                before = repeated(sent)
                await session.scalar(text("SELECT CAST(:it AS INTEGER)"), {"it": MOST_REPEATS})

        assert before == {}
        assert list(repeated(sent).values()) == [MOST_REPEATS + 1]
