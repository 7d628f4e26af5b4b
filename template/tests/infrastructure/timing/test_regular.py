import asyncio

import pytest
from structlog.testing import capture_logs

from app.infrastructure.database.errors import DatabaseUnreachableError
from app.infrastructure.timing import regular
from app.infrastructure.timing.regular import regularly

pytestmark = pytest.mark.anyio


class TestRegularly:
    async def test_finishes_what_is_under_way(self) -> None:
        begun, may_go_on, done = asyncio.Event(), asyncio.Event(), []

        async def job() -> None:
            begun.set()
            await may_go_on.wait()
            done.append(True)

        async with asyncio.timeout(10):
            async with regularly(job, lambda: 0.001, name="tea"):
                await begun.wait()
                may_go_on.set()

        assert done == [True]

    async def test_ends_though_a_statement_takes_its_cancelling_for_an_outage(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(regular, "_PATIENCE_SECONDS", 0.01)
        begun = asyncio.Event()

        async def job() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise DatabaseUnreachableError("CancelledError") from None

        with capture_logs() as lines:
            async with asyncio.timeout(10):
                async with regularly(job, lambda: 0.001, name="tea"):
                    await begun.wait()

        assert [line["event"] for line in lines] == ["tea failed"]
