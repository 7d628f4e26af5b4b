from collections.abc import AsyncIterator

import pytest

from app.modules.file.errors import FormTypeError, MalformedFormError
from app.modules.file.multipart import MultipartForm

pytestmark = pytest.mark.anyio

TYPE = "multipart/form-data; boundary=b"
FILE = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def form(body: bytes, *, content_type: str = TYPE, max_parts: int = 3) -> MultipartForm:
    return MultipartForm(content_type, pieces(body, 1000), max_parts=max_parts)


async def names(form: MultipartForm) -> list[str]:
    return [part.name async for part in form.parts()]


class TestMultipartForm:
    async def test_skips_what_nobody_reads(self) -> None:
        body = FILE + b"x" * 5000 + b"\r\n" + FILE + b"y\r\n--b--\r\n"

        assert await names(form(body)) == ["files", "files"]

    async def test_knows_the_headers_of_a_part(self) -> None:
        body = (
            b'--b\r\nContent-Disposition: form-data; name="files"; filename="C:\\\\a\\\\b.txt"\r\n'
            b"CONTENT-TYPE: text/csv\r\nX-Other: 1\r\n\r\nx\r\n--b--"
        )
        (part,) = [part async for part in form(body).parts()]

        assert part.content_type == "text/csv"
        assert part.filename is not None
        assert part.filename.endswith("b.txt")

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"no boundary",
            FILE,
            FILE + b"half of it",
            FILE + b"x\r\n--b",
            FILE + b"x\r\n--b\r\n",
            b"--b\r\n\r\nno headers\r\n--b--",
            b"--b\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--b--",
            b"--b\r\nContent Disposition: x\r\n\r\n\r\n--b--",
            b"--b\r\n" + b"A" * 5000 + b": x\r\n\r\n\r\n--b--",
            b"--b\r\nA: " + b"x" * 5000 + b"\r\n\r\n\r\n--b--",
            b"--b\r\n" + b"A: x\r\n" * 9 + b"\r\n\r\n--b--",
            FILE.replace(b"filename", b"other") * 1 + b"x\r\n" + FILE * 3,
        ],
        ids=range(13),
    )
    async def test_refuses_what_is_broken_or_too_much(self, body: bytes) -> None:
        with pytest.raises(MalformedFormError):
            async for part in form(body).parts():
                _ = [chunk async for chunk in part.chunks]

    async def test_refuses_many_tiny_parts_at_the_first_too_many(self) -> None:
        read = 0

        async def bomb() -> AsyncIterator[bytes]:
            nonlocal read
            for _ in range(100_000):
                read += 1
                yield FILE + b"\r\n"

        with pytest.raises(MalformedFormError, match="more than 3 parts"):
            await names(MultipartForm(TYPE, bomb(), max_parts=3))

        assert read < 10

    async def test_a_field_is_short_and_a_text(self) -> None:
        field = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
        for value, reason in ((b"x" * 5000, "4096 bytes"), (b"\xff", "UTF-8")):
            parts = form(field + value + b"\r\n--b--").parts()
            with pytest.raises(MalformedFormError, match=reason):
                await (await anext(parts)).text()

    async def test_refuses_a_boundary_without_end(self) -> None:
        with pytest.raises(MalformedFormError):
            form(b"", content_type=f"multipart/form-data; boundary={'b' * 300}")

    @pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data; boundary="])
    async def test_refuses_other_bodies(self, content_type: str) -> None:
        with pytest.raises(FormTypeError):
            form(b"", content_type=content_type)
