"""A file as an answer that no browser runs anything of."""

import re
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from app.infrastructure.http.conditional import is_match
from app.infrastructure.storage.errors import ObjectMissingError
from app.infrastructure.storage.storage import Storage, joined

from .errors import ContentMissingError
from .models import File
from .naming import content_disposition

logger = structlog.get_logger()

# Images that browsers show without running anything.
INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_RANGE = re.compile(r"bytes=(\d{1,18})?-(\d{1,18})?")


async def download(
    file: File, storage: Storage, headers: Mapping[str, str], *, is_inline: bool
) -> Response:
    """All of it, a range, or nothing new. Raises `ContentMissingError`."""
    etag = f'"{file.sha256}"'
    common = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        # The owner's browser may keep it, and asks each time whether it still may be shown.
        "Cache-Control": "private, no-cache",
        "Content-Disposition": content_disposition(
            file.name, is_inline=is_inline and file.content_type in INLINE
        ),
        "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
        "Cross-Origin-Resource-Policy": "same-site",
        # Compressed, it would be other bytes under the same ETag, and a range of them useless.
        "Content-Encoding": "identity",
    }
    if is_match([headers.get("if-none-match", "")], etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=common)
    wanted = None
    if headers.get("if-range", etag) == etag:
        wanted = _range(headers.get("range"), file.size)
    start, end = wanted or (0, file.size)
    chunks = storage.read(file.key, start, end)
    # Before the answer begins: afterwards nothing can be said any more.
    try:
        first = await anext(chunks)
    except ObjectMissingError:
        logger.error("a file has no content", file_id=str(file.id))  # noqa: TRY400 (nor a stack)
        raise ContentMissingError from None
    common["Content-Length"] = str(end - start)
    if wanted is not None:
        common["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    return StreamingResponse(
        joined(first, chunks),
        HTTPStatus.OK if wanted is None else HTTPStatus.PARTIAL_CONTENT,
        # Set here, because it would add a character set to texts.
        headers={**common, "Content-Type": _content_type(file)},
    )


def _content_type(file: File) -> str:
    is_text = file.content_type.startswith("text/")
    return f"{file.content_type}; charset=utf-8" if is_text else file.content_type


def _range(header: str | None, size: int) -> tuple[int, int] | None:
    """From where to before where; none if the whole is to be sent.

    That is also the answer to several ranges, and to what is no range (RFC 9110 section 14.2).
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match[1], match[2]
    if first is None:
        start, end = size - min(int(last), size), size
    else:
        start, end = int(first), size if last is None else min(int(last) + 1, size)
        if last is not None and int(last) < start:
            return None
    if start >= size:
        raise HTTPException(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "The range begins after the end of the file.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, end
