from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.infrastructure.http.headers import header

from .errors import ProfilerMissingError, UnknownProfileError

if TYPE_CHECKING:
    from pyinstrument import Profiler

_MEDIA_TYPES = {
    "html": "text/html",
    "speedscope": "application/json",
    "text": "text/plain",
}

# The page carries its script and its style in itself.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:"
)

# A request takes milliseconds: at pyinstrument's own pace there would be a handful of samples.
_INTERVAL_SECONDS = 0.0005


class ProfilingMiddleware:
    """Answers a request that has `X-Profile: html`, `speedscope` or `text` with its profile.

    The request is done as ever, only its answer is not sent: `X-Profiled-Status` has its status.
    Several may be profiled at the same time, each sees its own work alone.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = header(scope, b"x-profile") if scope["type"] == "http" else None
        if wanted is None:
            await self.app(scope, receive, send)
            return
        kind = wanted.decode("latin-1").strip().lower()
        if kind not in _MEDIA_TYPES:
            raise UnknownProfileError(list(_MEDIA_TYPES))
        profiler = _profiler()
        status = 0

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]

        with profiler:
            await self.app(scope, receive, note_status)
        response = Response(
            _rendered(profiler, kind),
            media_type=_MEDIA_TYPES[kind],
            headers={"X-Profiled-Status": str(status), "Content-Security-Policy": _POLICY},
        )
        await response(scope, receive, send)


def _profiler() -> "Profiler":
    # For development alone, so it is not where the service is deployed.
    try:
        from pyinstrument import Profiler  # noqa: PLC0415 (see above)
    except ModuleNotFoundError:
        raise ProfilerMissingError from None
    return Profiler(interval=_INTERVAL_SECONDS, async_mode="enabled")


def _rendered(profiler: "Profiler", kind: str) -> str:
    from pyinstrument.renderers import SpeedscopeRenderer  # noqa: PLC0415 (there by now)

    if kind == "html":
        return profiler.output_html()
    if kind == "speedscope":
        return profiler.output(SpeedscopeRenderer())
    return profiler.output_text(unicode=True)
