"""What the bytes of a file are, found out while they pass through."""

from codecs import getincrementaldecoder
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from hashlib import sha256

from .errors import FileTooLargeError, FileTypeError, QuotaExceededError

# Every type we look for shows itself within the first kilobytes.
HEAD_BYTES = 8 * 1024
# What programs say who do not know.
_UNKNOWN = frozenset({"", "application/octet-stream", "binary/octet-stream"})
# Other names of the same, as old browsers and Excel send them.
_SAME = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "application/x-pdf": "application/pdf",
    "application/vnd.ms-excel": "text/csv",
}
_TEXTS = ("text/plain", "text/csv")
# All below the blank but tab, line feed, form feed and carriage return; and DEL.
_CONTROLS = frozenset(chr(code) for code in (*range(32), 127)) - frozenset("\t\n\f\r")


@dataclass(frozen=True, slots=True)
class Rules:
    """What a file may be. Narrower ones make a route for pictures of people, say."""

    max_bytes: int
    types: Collection[str]


class Content:
    """Chunks of a file that are checked as they pass; `size` and `sha256` are known at the end."""

    def __init__(self, chunks: AsyncIterator[bytes], rules: Rules, *, room: int) -> None:
        """`room` is what the owner has left of theirs."""
        self._chunks = chunks
        self._rules = rules
        self._room = room
        self._digest = sha256()
        self._head = b""
        self._text: _Text | None = None
        self.size = 0
        self.content_type = ""

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def identify(self, declared: str | None) -> None:
        """Read the beginning. Raises `FileTypeError` unless the type is allowed and as declared."""
        head = bytearray()
        async for chunk in self._chunks:
            head += self._counted(chunk)
            if len(head) >= HEAD_BYTES:
                break
        self._head = bytes(head)
        said = (declared or "").partition(";")[0].strip().lower()
        if said not in self._rules.types:
            said = _SAME.get(said, said)
        found = _identified(self._head[:HEAD_BYTES], self._rules.types, said)
        if found is None or found not in self._rules.types:
            raise FileTypeError(f"Accepted are: {', '.join(sorted(self._rules.types))}.")
        if said not in _UNKNOWN and said != found:
            raise FileTypeError("The content is not of the type that it is said to be.")
        if found in _TEXTS:
            self._text = _Text()
        self.content_type = found

    async def chunks(self) -> AsyncIterator[bytes]:
        """All of it. Raises `FileTooLargeError`, `QuotaExceededError` and `FileTypeError`."""
        yield self._passed(self._head)
        async for chunk in self._chunks:
            yield self._passed(self._counted(chunk))
        if self._text is not None:
            self._text.end()

    def _counted(self, chunk: bytes) -> bytes:
        self.size += len(chunk)
        if self.size > self._rules.max_bytes:
            raise FileTooLargeError(self._rules.max_bytes)
        if self.size > self._room:
            raise QuotaExceededError
        return chunk

    def _passed(self, chunk: bytes) -> bytes:
        self._digest.update(chunk)
        if self._text is not None:
            self._text.feed(chunk)
        return chunk


class _Text:
    def __init__(self) -> None:
        self._decoder = getincrementaldecoder("utf-8")()

    def feed(self, chunk: bytes, *, is_last: bool = False) -> None:
        try:
            text = self._decoder.decode(chunk, is_last)
        except UnicodeDecodeError:
            raise FileTypeError("A text must be in UTF-8.") from None
        if not _CONTROLS.isdisjoint(text):
            raise FileTypeError("A text must not contain control characters.")

    def end(self) -> None:
        self.feed(b"", is_last=True)


def _identified(head: bytes, types: Collection[str], said: str) -> str | None:
    """The type of what begins like this: one of `types` if it may be one."""
    if not head:
        return None
    # Reads a table of half a megabyte.
    from puremagic import PureError, magic_string  # noqa: PLC0415

    try:
        matches = [str(match.mime_type) for match in magic_string(head)]
    except PureError:
        matches = []
    # Several formats may share a beginning; the likeliest comes first.
    found = next((it for it in matches if it in types and it not in _TEXTS), None)
    if found is not None:
        return found
    # Texts have no mark. What one is for only its sender knows; it is checked to the end.
    return said if said in _TEXTS else "text/plain"
