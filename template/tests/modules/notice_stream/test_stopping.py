import asyncio
import signal
import threading
from collections.abc import Generator
from functools import partial
from types import FrameType

import pytest

from app.modules.notice_stream.service import NoticeStreams
from app.modules.notice_stream.stopping import StopSignals

from .conftest import until
from .reading import Person

pytestmark = pytest.mark.anyio


class Server:
    """Catches SIGTERM."""

    def __init__(self) -> None:
        self.caught: list[int] = []

    def handle(self, number: int, _: FrameType | None) -> None:
        self.caught.append(number)


@pytest.fixture
def server() -> Generator[Server]:
    server = Server()
    before = signal.signal(signal.SIGTERM, server.handle)
    yield server
    signal.signal(signal.SIGTERM, before)


class TestStopSignals:
    async def test_are_heard_and_handed_on(self, server: Server) -> None:
        heard: list[str] = []
        signals = StopSignals(lambda: heard.append("stop"))
        signals.watch()
        signals.watch()
        signal.raise_signal(signal.SIGTERM)
        await until(lambda: heard == ["stop"])
        signals.restore()

        assert server.caught == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) == server.handle

    async def test_that_somebody_else_hands_on_to_us_later_are_only_handed_on(
        self, server: Server
    ) -> None:
        heard: list[str] = []
        signals = StopSignals(lambda: heard.append("stop"))
        signals.watch()
        ours = signal.getsignal(signal.SIGTERM)
        assert callable(ours)
        signal.signal(signal.SIGTERM, partial(ours))
        signals.restore()
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0)

        assert (server.caught, heard) == ([signal.SIGTERM], [])

    @pytest.mark.usefixtures("server")
    async def test_that_nobody_catches_are_left_alone(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signals = StopSignals(lambda: None)
        signals.watch()
        left = signal.getsignal(signal.SIGTERM)
        signals.restore()

        assert left is signal.SIG_DFL

    def test_are_left_alone_outside_the_main_thread(self, server: Server) -> None:
        signals = StopSignals(lambda: None)
        thread = threading.Thread(target=signals.watch)
        thread.start()
        thread.join()

        assert signal.getsignal(signal.SIGTERM) == server.handle


class TestStreams:
    async def test_end_when_the_process_is_asked_to_stop(
        self, ada: Person, server: Server, streams: NoticeStreams
    ) -> None:
        async with ada.reading() as reading, ada.reading() as other:
            await reading.place()
            await other.place()
            signal.raise_signal(signal.SIGTERM)

            assert (await reading.end(), await other.end()) == ([], [])
        # One that was on its way in.
        async with ada.reading() as late:
            assert await late.end() == []
        await streams.aclose()

        assert server.caught == [signal.SIGTERM]
