from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import (
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes


class RequestSampler(Sampler):
    """Decides which requests are recorded, and what is said of them.

    A stranger may say which trace a request belongs to, as they may name it. Whether it is
    recorded they decide neither by their flag nor by an id of their choice, unless we follow our
    callers. What a request brings about is recorded if it is.
    """

    def __init__(self, ratio: float, *, follows_callers: bool) -> None:
        self._ratio = TraceIdRatioBased(ratio)
        self._by_parent = ParentBased(self._ratio)
        self._follows_callers = follows_callers
        self._ids = RandomIdGenerator()

    def should_sample(  # noqa: PLR0913, PLR0917 (of the library)
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,  # noqa: ARG002
    ) -> SamplingResult:
        if attributes is not None and "url.query" in attributes:
            # Queries carry secrets. What is left here is what the span begins with.
            attributes = {key: it for key, it in attributes.items() if key != "url.query"}
        if kind is SpanKind.SERVER and not self._follows_callers:
            own_id = self._ids.generate_trace_id()
            return self._ratio.should_sample(None, own_id, name, kind, attributes, links)
        return self._by_parent.should_sample(
            parent_context, trace_id, name, kind, attributes, links
        )

    def get_description(self) -> str:
        return f"RequestSampler({self._ratio.rate})"
