import asyncio
import signal
import threading
from collections.abc import Generator
from functools import partial
from types import FrameType

import pytest

from app.infrastructure.serving.stopping import Stopping

pytestmark = pytest.mark.anyio


class Server:
    """Catches SIGTERM."""

    def __init__(self) -> None:
        self.caught: list[int] = []
        self.asked = asyncio.Event()

    def handle(self, number: int, _: FrameType | None) -> None:
        self.caught.append(number)
        self.asked.set()


@pytest.fixture
def server() -> Generator[Server]:
    server = Server()
    before = signal.signal(signal.SIGTERM, server.handle)
    yield server
    signal.signal(signal.SIGTERM, before)


class TestSignals:
    async def test_are_told_and_handed_on(self, server: Server) -> None:
        stopping = Stopping(drain_seconds=0)
        told: list[str] = []
        with stopping.watching_signals(), stopping.telling(lambda: told.append("stop")):
            signal.raise_signal(signal.SIGTERM)
            await server.asked.wait()

        assert told == ["stop"]
        assert (stopping.is_announced, stopping.is_draining) == (True, True)
        assert server.caught == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) == server.handle

    async def test_are_handed_on_when_it_has_drained(self, server: Server) -> None:
        stopping = Stopping(drain_seconds=0.01)
        with stopping.watching_signals():
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(0)
            at_first = list(server.caught)
            await server.asked.wait()

        assert at_first == []
        assert server.caught == [signal.SIGTERM]

    async def test_are_handed_on_once_to_a_worker_that_hears_of_it_twice(
        self, server: Server
    ) -> None:
        """Ctrl-C comes from the terminal, and SIGTERM from the process above it."""
        before = signal.signal(signal.SIGINT, server.handle)
        stopping = Stopping(drain_seconds=0)
        with stopping.watching_signals():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            await server.asked.wait()
        signal.signal(signal.SIGINT, before)

        assert server.caught == [signal.SIGINT]

    async def test_that_somebody_else_hands_on_to_us_later_are_only_handed_on(
        self, server: Server
    ) -> None:
        stopping = Stopping(drain_seconds=0)
        with stopping.watching_signals():
            ours = signal.getsignal(signal.SIGTERM)
            assert callable(ours)
            signal.signal(signal.SIGTERM, partial(ours))
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0)

        assert (server.caught, stopping.is_draining) == ([signal.SIGTERM], False)

    @pytest.mark.usefixtures("server")
    async def test_that_no_server_catches_are_left_alone(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        with Stopping(drain_seconds=0).watching_signals():
            left = [signal.getsignal(it) for it in (signal.SIGTERM, signal.SIGINT)]
        signal.signal(signal.SIGINT, before)

        assert left == [signal.SIG_DFL, signal.default_int_handler]

    def test_are_left_alone_outside_the_main_thread(self, server: Server) -> None:
        left: list[object] = []

        def watch() -> None:
            with Stopping(drain_seconds=0).watching_signals():
                left.append(signal.getsignal(signal.SIGTERM))

        thread = threading.Thread(target=watch)
        thread.start()
        thread.join()

        assert left == [server.handle]


class TestRetiring:
    async def test_is_not_announced(self, server: Server) -> None:
        """Its successor, or a neighbour, does the work."""
        stopping = Stopping(drain_seconds=0)
        with stopping.watching_signals():
            stopping.retire()
            stopping.retire()

        assert (stopping.is_announced, stopping.is_draining) == (False, True)
        assert server.caught == [signal.SIGTERM]

    async def test_that_is_under_way_is_announced_by_a_signal(self, server: Server) -> None:
        stopping = Stopping(drain_seconds=0.01)
        with stopping.watching_signals():
            stopping.retire()
            signal.raise_signal(signal.SIGTERM)
            await server.asked.wait()

        assert stopping.is_announced
        assert server.caught == [signal.SIGTERM]

    async def test_needs_a_server(self) -> None:
        stopping = Stopping(drain_seconds=0)
        stopping.retire()

        assert not stopping.is_draining
