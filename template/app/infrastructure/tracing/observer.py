from collections.abc import Generator, Mapping
from contextlib import contextmanager

import structlog
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    Tracer,
    format_span_id,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from structlog.typing import EventDict

from app.core.operations import Attributes, Observation, Operation, OperationObserver
from app.core.tracing import CurrentTrace

# What a caller gives us as baggage is not handed on: nobody knows what it is.
_CARRIER = TraceContextTextMapPropagator()
# By their names in log lines.
_NAMES = {"request_id": "request.id", "user_id": "user.id"}


def names() -> dict[str, str]:
    """Of the request and who sent it, as attributes."""
    bound = structlog.contextvars.get_contextvars()
    return {_NAMES[name]: str(bound[name]) for name in _NAMES.keys() & bound.keys()}


def fail(span: Span, error: str) -> None:
    span.set_attribute("error.type", error)
    span.set_status(StatusCode.ERROR)


class SpanObserver(OperationObserver, CurrentTrace):
    """Makes a span of each operation that belongs to a recorded trace, and of each message."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def trace_id(self) -> str | None:
        current = get_current_span().get_span_context()
        return format_trace_id(current.trace_id) if current.trace_flags.sampled else None

    def begin(self, operation: Operation) -> Observation | None:
        current = get_current_span().get_span_context()
        if current.trace_flags.sampled:
            span = self._tracer.start_span(
                operation.name, kind=SpanKind.CLIENT, attributes=operation.attributes
            )
            return _SpanObservation(span)
        return _Unrecorded(current) if current.is_valid else None

    def carried(self) -> Mapping[str, str]:
        return _carried(get_current_span())

    @contextmanager
    def resumed(self, operation: Operation, carried: Mapping[str, str]) -> Generator[None]:
        # Nothing else of what is under way here: the message may be somebody else's.
        parent = _CARRIER.extract(carried, Context())
        span = self._tracer.start_span(
            operation.name,
            parent,
            kind=SpanKind.CONSUMER,
            attributes={**operation.attributes, **names()},
        )
        token = attach(set_span_in_context(span, parent))
        try:
            yield
        except BaseException as exc:
            fail(span, type(exc).__name__)
            raise
        finally:
            detach(token)
            span.end()

    def show(self, line: EventDict) -> None:
        """Say in a log line which recorded trace it belongs to, and in the span what went wrong."""
        span = get_current_span()
        current = span.get_span_context()
        if not current.trace_flags.sampled:
            return
        line["trace_id"] = format_trace_id(current.trace_id)
        line["span_id"] = format_span_id(current.span_id)
        if isinstance(error := line.get("exc_info"), BaseException):
            # Without its text, which may hold anything.
            span.add_event("exception", {"exception.type": type(error).__name__})


class _SpanObservation(Observation):
    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def carried(self) -> Mapping[str, str]:
        return _carried(self._span)

    def end(self, error: str | None = None, attributes: Attributes | None = None) -> None:
        if attributes is not None:
            self._span.set_attributes(attributes)
        if error is not None:
            fail(self._span, error)
        self._span.end()


class _Unrecorded(Observation):
    """Of a trace that is not recorded, which others must not record either."""

    def __init__(self, current: SpanContext) -> None:
        self._current = current

    @property
    def carried(self) -> Mapping[str, str]:
        return _carried(NonRecordingSpan(self._current))

    def end(self, error: str | None = None, attributes: Attributes | None = None) -> None:
        """Nothing was begun."""


def _carried(span: Span) -> Mapping[str, str]:
    carrier: dict[str, str] = {}
    _CARRIER.inject(carrier, set_span_in_context(span, Context()))
    return carrier
