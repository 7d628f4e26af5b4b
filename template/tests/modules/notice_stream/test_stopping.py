import asyncio
import signal
from collections.abc import Generator
from typing import Any

import pytest

from app.infrastructure.serving.stopping import Stopping
from app.modules.notice_stream.service import NoticeStreams

from .conftest import House
from .reading import Person

pytestmark = pytest.mark.anyio


@pytest.fixture
def asked() -> Generator[asyncio.Event]:
    """A server that has caught SIGTERM."""
    asked = asyncio.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    yield asked
    signal.signal(signal.SIGTERM, before)


class TestStreams:
    async def test_end_when_the_process_is_asked_to_stop(
        self, ada: Person, house: House, asked: asyncio.Event
    ) -> None:
        stopping = Stopping(drain_seconds=0)
        state: dict[str, Any] = house.state
        before, state["stopping"] = state["stopping"], stopping
        streams: NoticeStreams = await house.open()
        with stopping.watching_signals():
            async with ada.reading() as reading, ada.reading() as other:
                await reading.place()
                await other.place()
                signal.raise_signal(signal.SIGTERM)

                assert (await reading.end(), await other.end()) == ([], [])
            # One that was on its way in.
            async with ada.reading() as late:
                assert await late.end() == []
            await streams.aclose()
        state["stopping"] = before

        assert asked.is_set()
