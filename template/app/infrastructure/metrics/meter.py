import multiprocessing
import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Event, Lock, Thread

import prometheus_client
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.core import measures
from app.core.extensions import Extensions
from app.core.feature import State
from app.core.measures import Instrument, Measured, Reading

from .exposition import Exposition, exposed
from .http import HttpMeter
from .shared import SharedFolder

logger = structlog.get_logger()

# How old the numbers of other processes may be: less than anybody's interval of scraping.
_SYNC_SECONDS = 1.0

# A second series beside each one, which hardly anybody reads.
prometheus_client.disable_created_metrics()


class Meter:
    """The numbers of this process; in a shared folder also those of its siblings.

    Requests and instruments are counted where they happen. What features show is taken over before
    each answer, and every second where a sibling may be asked in our place.
    """

    def __init__(self, state: State) -> None:
        extensions: Extensions = state["extensions"]
        self._state = state
        self._shared = SharedFolder.of_environment()
        self._registry = CollectorRegistry()
        self._instruments = extensions.of(Instrument)
        self._measured = extensions.of(Measured)
        self._metrics: dict[str, Counter | Gauge] = {}
        self._totals: dict[tuple[str, tuple[str, ...]], float] = {}
        self._lock = Lock()
        self.http = HttpMeter(self._registry, extensions)
        if not self.is_shared:
            # The memory and the processor time of one of several processes would mislead.
            prometheus_client.ProcessCollector(registry=self._registry)

    @property
    def is_shared(self) -> bool:
        return self._shared is not None

    @property
    def is_lonely(self) -> bool:
        """Whether it seems to be one of several processes, and knows nothing of the others."""
        return not self.is_shared and multiprocessing.parent_process() is not None

    @contextmanager
    def collecting(self) -> Generator[None]:
        with ExitStack() as stack:
            for instrument in self._instruments:
                stack.enter_context(instrument.collected(self._collector(instrument)))
            if self._shared is not None:
                stack.callback(self._shared.leave, os.getpid())
                stack.enter_context(self._synchronizing())
            yield

    def expose(self, accept: str) -> Exposition:
        """All numbers as text, in the format that is asked for. Takes a millisecond or more."""
        self.synchronize()
        if self._shared is not None:
            return self._shared.expose(accept)
        return exposed(self._registry, accept)

    def synchronize(self) -> None:
        """Take over what the features show."""
        with self._lock:
            for reading in self.http.readings():
                self._take(reading)
            for measured in self._measured:
                for reading in measured.readings(self._state):
                    self._take(reading)

    def _take(self, reading: Reading) -> None:
        labels = tuple(sorted(reading.labels))
        values = tuple(reading.labels[label] for label in labels)
        metric = self._metrics.get(reading.name)
        if metric is None:
            metric = self._metrics[reading.name] = self._made(reading, labels)
        series = metric.labels(*values) if labels else metric
        if isinstance(series, Gauge):
            series.set(reading.value)
            return
        before = self._totals.get((reading.name, values), 0)
        # Less than before: what counts was opened anew.
        series.inc(reading.value - before if reading.value >= before else reading.value)
        self._totals[reading.name, values] = reading.value

    def _made(self, reading: Reading, labels: tuple[str, ...]) -> Counter | Gauge:
        if reading.is_total:
            return Counter(reading.name, reading.description, labels, registry=self._registry)
        return Gauge(
            reading.name,
            reading.description,
            labels,
            registry=self._registry,
            multiprocess_mode="livesum",
        )

    def _collector(self, instrument: Instrument) -> measures.Collect:
        about = (instrument.name, instrument.description, instrument.labels)
        if isinstance(instrument, measures.Histogram):
            histogram = Histogram(*about, buckets=instrument.buckets, registry=self._registry)
            return partial(self._observe, histogram)
        return partial(_count, Counter(*about, registry=self._registry))

    def _observe(self, histogram: Histogram, number: float, values: tuple[str, ...]) -> None:
        trace_id = self.http.trace_id()
        series = histogram.labels(*values) if values else histogram
        series.observe(number, None if trace_id is None else {"trace_id": trace_id})

    @contextmanager
    def _synchronizing(self) -> Generator[None]:
        """In a thread: the loop of a process that does tasks stands still in between."""
        is_over = Event()

        def run() -> None:
            while not is_over.wait(_SYNC_SECONDS):
                try:
                    self.synchronize()
                except Exception:
                    logger.exception("metrics not read")

        thread = Thread(target=run, name="metrics", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
            self.synchronize()


def _count(counter: Counter, number: float, values: tuple[str, ...]) -> None:
    (counter.labels(*values) if values else counter).inc(number)
