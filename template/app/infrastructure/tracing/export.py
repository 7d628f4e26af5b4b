"""Sending spans to a collector, which requests must not notice, and the log hardly."""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager

import structlog
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

logger = structlog.get_logger()

# For what is left when the process stops: a collector answers within milliseconds, and open
# requests may take 25 of the 30 seconds that platforms give.
CLOSE_SECONDS = 2.0


class Outlet(SpanProcessor):
    """Where spans go when they have ended; nowhere while it is closed."""

    def __init__(self) -> None:
        self._batches: BatchSpanProcessor | None = None

    def on_end(self, span: ReadableSpan) -> None:
        if self._batches is not None:
            self._batches.on_end(span)

    @asynccontextmanager
    async def opened(self, address: str, headers: Mapping[str, str]) -> AsyncGenerator[None]:
        """Send them in batches, from a thread; what cannot be sent is given up."""
        with _logged_once() as outage:
            exporter = _Exporter(OTLPSpanExporter(address, headers=headers), outage)
            self._batches = batches = BatchSpanProcessor(exporter)
            try:
                yield
            finally:
                self._batches = None
                await _close(batches)
                # Ends the waiting between two attempts, where there still is any.
                exporter.shutdown()

    async def flush(self) -> None:
        """Send what has ended so far."""
        if self._batches is not None:
            await asyncio.to_thread(self._batches.force_flush)


async def _close(batches: BatchSpanProcessor) -> None:
    """Send what is left, for a limited time: the library would take up to 30 seconds."""
    # Nobody waits for a daemon at the end of the process.
    closing = threading.Thread(target=batches.shutdown, daemon=True)
    closing.start()
    await asyncio.to_thread(closing.join, CLOSE_SECONDS)


class _Outage(logging.Filter):
    """Lets the first line about a failure through, and no other until it is over.

    Errors go by their classes: their texts hold the address.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_known = False

    def filter(self, record: logging.LogRecord) -> bool:
        if self.is_known:
            return False
        self.is_known = True
        if isinstance(record.args, tuple):
            record.args = tuple(_named(value) for value in record.args)
        return True


class _Exporter(SpanExporter):
    def __init__(self, inner: SpanExporter, outage: _Outage) -> None:
        self._inner = inner
        self._outage = outage
        self._is_shut = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._is_shut:
            return SpanExportResult.FAILURE
        result = self._inner.export(spans)
        if result is SpanExportResult.SUCCESS and self._outage.is_known:
            self._outage.is_known = False
            logger.info("traces are sent again")
        return result

    def shutdown(self) -> None:
        """Free to be called twice, by us and by the library."""
        if not self._is_shut:
            self._is_shut = True
            self._inner.shutdown()


@contextmanager
def _logged_once() -> Generator[_Outage]:
    talkative, outage = logging.getLogger(trace_exporter.__name__), _Outage()
    talkative.addFilter(outage)
    try:
        yield outage
    finally:
        talkative.removeFilter(outage)


def _named(value: object) -> object:
    return type(value).__name__ if isinstance(value, Exception) else value
