from collections.abc import Iterable

from app.core.feature import State
from app.core.measures import Measured, Reading

from .service import NoticeStreams


class StreamMeasures(Measured):
    def readings(self, state: State) -> Iterable[Reading]:
        streams: NoticeStreams = state["notice_streams"]
        yield Reading(
            name="notice_streams",
            description="Streams of notices that are open.",
            value=streams.count,
        )
