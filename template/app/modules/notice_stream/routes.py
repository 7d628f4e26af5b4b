from collections.abc import AsyncGenerator
from random import uniform

from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.core.routing import PrefixRouter
from app.infrastructure.database.errors import DatabaseBusyError, DatabaseUnreachableError
from app.modules.common.problems import raises
from app.modules.user.errors import InsufficientScopeError, NotAuthenticatedError

from .dependencies import NoticeStreamsDep, StreamDep
from .errors import StreamsExhaustedError, TooManyStreamsError

router = PrefixRouter(
    prefix="/notices",
    tags=["notices"],
    responses=raises(
        NotAuthenticatedError,
        InsufficientScopeError,
        TooManyStreamsError,
        StreamsExhaustedError,
        DatabaseBusyError,
        DatabaseUnreachableError,
    ),
)


@router.get("/stream", response_class=EventSourceResponse)
async def stream_notices(
    stream: StreamDep, streams: NoticeStreamsDep
) -> AsyncGenerator[ServerSentEvent]:
    """Be told what happens, as it happens: server-sent events for your account.

    Each event's `id` is a place in your notices. Connect again with the last one, as browsers do by
    themselves, and you get all that came meanwhile. If that is kept no more, a `reset` tells you to
    load again what you show. When you connect for the first time, load it after connecting, not
    before.

    A comment comes every 15 seconds while there is nothing else to send.
    """
    seconds = streams.settings.retry_seconds * uniform(1, 2)  # noqa: S311 (not a secret)
    yield ServerSentEvent(retry=round(seconds * 1000))
    async for item in stream.items():
        yield ServerSentEvent(id=item.id, event=item.type, raw_data=item.data)
