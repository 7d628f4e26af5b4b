import asyncio
from collections.abc import AsyncGenerator
from random import uniform
from typing import Annotated, cast

from fastapi import Depends, Header, Query, Response
from starlette.requests import HTTPConnection

from app.modules.user.dependencies import CallerDep

from .service import NoticeStreams
from .stream import Stream


async def get_notice_streams(connection: HTTPConnection) -> NoticeStreams:
    return cast("NoticeStreams", connection.state.notice_streams)


NoticeStreamsDep = Annotated[NoticeStreams, Depends(get_notice_streams)]
"""For every service that has something to tell."""


async def open_stream(
    caller: CallerDep,
    streams: NoticeStreamsDep,
    response: Response,
    last_event_id: Annotated[
        str | None, Header(description="Browsers send it when they connect again.")
    ] = None,
    place: Annotated[
        str | None,
        Query(
            alias="last_event_id",
            description="The same for clients that cannot set the header; that one counts first.",
        ),
    ] = None,
) -> AsyncGenerator[Stream]:
    # Beside FastAPI's own `no-cache`, which would let a browser keep what it got.
    response.headers["Cache-Control"] = "no-store"
    last_id = place if last_event_id is None else last_event_id
    # The empty one is that of a client which has heard nothing yet.
    with streams.opened(caller, last_id or None) as stream:
        await streams.listen()
        # The login may have ended between its check and now.
        streams.watch.mark(caller.user.id)
        lifetime = streams.settings.lifetime_seconds * uniform(0.9, 1)  # noqa: S311 (not a secret)
        timer = asyncio.get_running_loop().call_later(lifetime, stream.end)
        try:
            yield stream
        finally:
            timer.cancel()


StreamDep = Annotated[Stream, Depends(open_stream)]
