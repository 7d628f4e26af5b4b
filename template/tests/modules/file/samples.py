"""Files, as small as their formats allow, and what tests look at."""

from pathlib import Path
from typing import Any

from httpx2 import AsyncClient

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89" + b"\0" * 40
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0" + b"\0" * 40
GIF = b"GIF89a\1\0\1\0\0\0\0;"
WEBP = b"RIFF\x24\0\0\0WEBPVP8 " + b"\0" * 30
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"
TEXT = "Grüße\r\n\tund mehr\n".encode()

Upload = tuple[str, bytes, str]


async def upload(client: AsyncClient, *files: Upload, **fields: str) -> dict[str, Any]:
    """What the answer to a form says."""
    parts = [("files", file) for file in files]
    response = await client.post("files", files=parts, data=fields)
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()
    return result


async def stored(client: AsyncClient, content: bytes = TEXT, name: str = "a.txt") -> dict[str, Any]:
    """What is known of a file that was just uploaded."""
    response = await client.post("files/raw", params={"name": name}, content=content)
    assert response.status_code == 201, response.text
    file: dict[str, Any] = response.json()
    return file


def objects(folder: Path, owner_id: object) -> list[str]:
    """The ids of what the storage has of an owner, with whatever else lies there."""
    return sorted(path.name for path in (folder / str(owner_id)).glob("*"))
