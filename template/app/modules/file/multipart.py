"""Forms with files, read piece by piece.

Starlette's own parser has written every file to a temporary one, of any size, before a route sees
the first of them.
"""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from .errors import FormTypeError, MalformedFormError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

# A part needs two headers, with names of at most a few hundred bytes.
_HEADERS = 8
_HEADER_BYTES = 4096
# What of a field's value is taken: a description fits in.
_FIELD_BYTES = 4096


@dataclass
class Part:
    """Read `chunks`, or `text`, before the next part; what is left of it is skipped."""

    name: str
    filename: str | None
    content_type: str | None
    chunks: AsyncIterator[bytes] = field(init=False)

    async def text(self) -> str:
        value = bytearray()
        async for chunk in self.chunks:
            value += chunk
            if len(value) > _FIELD_BYTES:
                raise MalformedFormError(f"A field must not exceed {_FIELD_BYTES} bytes.")
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise MalformedFormError("A field must be in UTF-8.") from None


class MultipartForm:
    """Holds no more of a form in memory than the body's iterator hands over at once.

    Raises `FormTypeError` unless the request is such a form.
    """

    def __init__(self, content_type: str, body: AsyncIterator[bytes], *, max_parts: int) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise FormTypeError
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(
                boundary, callbacks, max_header_count=_HEADERS, max_header_size=_HEADER_BYTES
            )
        except FormParserError:
            raise MalformedFormError("The boundary of the form is too long.") from None
        self._body = body
        self._max_parts = max_parts
        self._parts = 0
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        # A part begins, bytes of it, or None where it ends.
        self._events: deque[Part | bytes | None] = deque()
        self._is_complete = False

    async def parts(self) -> AsyncIterator[Part]:
        """Raises `MalformedFormError`, also where the body ends before the form does."""
        while await self._more():
            event = self._events.popleft()
            if not isinstance(event, Part):
                # What nobody has read of the part before.
                continue
            event.chunks = self._chunks()
            yield event
        if not self._is_complete:
            raise MalformedFormError("The form ends too early.")

    async def _chunks(self) -> AsyncIterator[bytes]:
        while await self._more():
            event = self._events.popleft()
            if not isinstance(event, bytes):
                return
            yield event
        raise MalformedFormError("The form ends too early.")

    async def _more(self) -> bool:
        """Whether there is an event; reads the body until there is one."""
        while not self._events:
            chunk = await anext(self._body, None)
            if chunk is None:
                return False
            try:
                self._parser.write(chunk)
            except FormParserError:
                raise MalformedFormError("The form cannot be read.") from None
        return True

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > self._max_parts:
            raise MalformedFormError(f"A form must not have more than {self._max_parts} parts.")
        self._headers = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        name, filename = options.get(b"name"), options.get(b"filename")
        if name is None:
            raise MalformedFormError("A part of the form has no name.")
        declared = self._headers.get(b"content-type")
        self._events.append(
            Part(
                name=name.decode("utf-8", "replace"),
                filename=None if filename is None else filename.decode("utf-8", "replace"),
                content_type=None if declared is None else declared.decode("latin-1"),
            )
        )

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(data[start:end])

    def _part_end(self) -> None:
        self._events.append(None)

    def _end(self) -> None:
        self._is_complete = True
