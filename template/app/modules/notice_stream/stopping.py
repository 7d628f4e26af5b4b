import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType

Handler = Callable[[int, FrameType | None], object]


class StopSignals:
    """Says when the process is asked to stop.

    Servers then wait for open responses to end, and tell those nothing: a stream that waits for
    something to send would hold up the end until the server's patience is over. So we look at the
    signals as well, and hand them on to the server.
    """

    def __init__(self, on_stop: Callable[[], None]) -> None:
        self._on_stop = on_stop
        self._handlers: dict[int, tuple[Handler, Handler]] = {}
        self._is_watching = False

    def watch(self) -> None:
        """In the running loop. Later calls are free."""
        # Python allows it there alone, and servers stay there with one application.
        if self._is_watching or threading.current_thread() is not threading.main_thread():
            return
        self._is_watching = True
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._chain(number, loop)

    def restore(self) -> None:
        self._is_watching = False
        for number, (ours, before) in self._handlers.items():
            # Somebody may have come after us, and hand on to us.
            if signal.getsignal(number) is ours:
                signal.signal(number, before)

    def _chain(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        before = signal.getsignal(number)
        if not callable(before):
            # Nobody catches it: the process ends at once.
            return

        def handle(number: int, frame: FrameType | None) -> None:
            if self._is_watching:
                loop.call_soon_threadsafe(self._on_stop)
            before(number, frame)

        self._handlers[number] = (handle, before)
        signal.signal(number, handle)
