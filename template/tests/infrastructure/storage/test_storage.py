import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from app.infrastructure.storage.errors import ObjectMissingError, StorageUnreachableError
from app.infrastructure.storage.feature import feature
from app.infrastructure.storage.settings import StorageSettings
from app.infrastructure.storage.storage import PART_BYTES, PIECE_BYTES, Storage
from app.modules.health import feature as health
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio

ATTRIBUTES = {"Content-Type": "text/plain", "Content-Disposition": "attachment"}
# Two whole parts of an upload, and a bit.
LARGE = 2 * PART_BYTES + 7


@pytest.fixture(params=["folder", "s3"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> StorageSettings:
    if request.param == "folder":
        return StorageSettings(folder=tmp_path / "objects")
    settings: StorageSettings = request.getfixturevalue("s3_settings")
    return settings


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def broken(size: int) -> AsyncIterator[bytes]:
    for _ in range(0, size, 1024 * 1024):
        yield b"x" * 1024 * 1024
    raise ValueError("the client is gone")


async def content(storage: Storage, key: str, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in storage.read(key, start, end)])


def remains(settings: StorageSettings) -> int:
    """Everything that takes room: objects, and the parts of those that were never finished."""
    if settings.bucket is None:
        return sum(path.is_file() for path in settings.folder.rglob("*"))
    bucket = f"{settings.endpoint}/{settings.bucket}"
    listed = httpx2.get(bucket).text + httpx2.get(f"{bucket}?uploads").text
    return len(re.findall("<Key>", listed))


class TestStorage:
    async def test_gives_back_what_was_put(self, settings: StorageSettings) -> None:
        storage = Storage(settings)
        await storage.put("a/small", chunks(b"Hello ", b"world"), ATTRIBUTES)

        assert await storage.size("a/small") == 11
        assert await content(storage, "a/small", 0, 11) == b"Hello world"
        assert await content(storage, "a/small", 4, 7) == b"o w"
        assert [(it.key, it.size) async for it in storage.objects("a")] == [("a/small", 11)]

    async def test_takes_a_large_object_in_parts(self, settings: StorageSettings) -> None:
        storage = Storage(settings)
        await storage.put("large", chunks(*[b"x" * 65_536] * (LARGE // 65_536), b"end"), {})
        size = await storage.size("large")

        assert size > 2 * PART_BYTES
        assert await content(storage, "large", size - 5, size) == b"xxend"
        assert len([_ async for _ in storage.read("large", 0, PIECE_BYTES + 1)]) == 2

    @pytest.mark.parametrize("size", [1024, LARGE])
    async def test_keeps_nothing_of_what_breaks_off(
        self, settings: StorageSettings, size: int
    ) -> None:
        with pytest.raises(ValueError, match="the client is gone"):
            await Storage(settings).put("broken", broken(size), {})

        assert remains(settings) == 0

    async def test_deletes_what_is_there(self, settings: StorageSettings) -> None:
        storage = Storage(settings)
        await storage.put("b", chunks(b"b"), {})
        await storage.delete(["a", "b", "c"])

        assert remains(settings) == 0

    async def test_says_what_is_missing(self, settings: StorageSettings) -> None:
        storage = Storage(settings)

        with pytest.raises(ObjectMissingError):
            await storage.size("missing")
        with pytest.raises(ObjectMissingError):
            await content(storage, "missing", 0, 5)

    async def test_is_ready(self, settings: StorageSettings) -> None:
        storage = Storage(settings)
        await storage.check()
        await storage.put("readiness/a", chunks(b"a"), {})
        await storage.check()


class TestReadiness:
    async def test_goes_on_without_it(self, s3_settings: StorageSettings) -> None:
        lost = s3_settings.model_copy(update={"endpoint": "http://127.0.0.1:9"})
        for settings, expected in ((s3_settings, "ok"), (lost, "degraded")):
            features = [feature(settings)]
            async with serving(
                FixedSettings(environment="test"), [*features, health.feature(features)]
            ) as client:
                response = await client.get("http://test/health/ready")

            assert response.status_code == 200
            assert response.json()["status"] == expected


class TestFolder:
    async def test_keys_stay_inside(self, tmp_path: Path) -> None:
        """Ours are made of ids; this is for the day when one is not."""
        (tmp_path / "outside").write_text("secret")
        storage = Storage(StorageSettings(folder=tmp_path / "inside"))

        for key in ("../outside", "a/../../outside"):
            with pytest.raises(ValueError, match="illegal character sequence"):
                await storage.size(key)
        with pytest.raises(ObjectMissingError):
            await storage.size(str(tmp_path / "outside"))

    async def test_that_is_no_folder_is_unreachable(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("not a folder")
        storage = Storage(StorageSettings(folder=tmp_path))

        with pytest.raises(StorageUnreachableError):
            await storage.put("file/a", chunks(b"x"), {})


class TestS3:
    async def test_links_let_others_read_and_write(self, s3_settings: StorageSettings) -> None:
        storage = Storage(s3_settings)
        await storage.put("a", chunks(b"Hello"), ATTRIBUTES)
        read = await storage.link("GET", "a", seconds=60)
        write = await storage.link("PUT", "b", seconds=60)

        answer = httpx2.get(read)
        assert (answer.status_code, answer.text) == (200, "Hello")
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["content-disposition"] == "attachment"
        assert "X-Amz-Expires=60" in read
        assert httpx2.put(write, content=b"written").status_code == 200
        assert await content(storage, "b", 0, 7) == b"written"

    async def test_links_lead_to_where_browsers_reach_it(
        self, s3_settings: StorageSettings
    ) -> None:
        public = s3_settings.model_copy(update={"public_endpoint": "https://files.example.com"})

        link = await Storage(public).link("GET", "a/b", seconds=60)

        assert link.startswith(f"https://files.example.com/{s3_settings.bucket}/a/b?X-Amz-")

    async def test_without_credentials_takes_those_of_the_machine(
        self, s3_settings: StorageSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-machine")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        update = {"access_key_id": None, "secret_access_key": None}

        link = await Storage(s3_settings.model_copy(update=update)).link("GET", "a", seconds=60)

        assert "X-Amz-Credential=of-the-machine" in link

    async def test_of_amazon_needs_no_address(self) -> None:
        storage = Storage(StorageSettings.model_validate({"bucket": "b", "region": "eu-central-1"}))

        assert storage.has_links is True

    async def test_that_is_down_is_unreachable(self) -> None:
        # Port 9 is for discarding; nobody listens.
        settings = StorageSettings.model_validate(
            {
                "bucket": "files",
                "endpoint": "http://127.0.0.1:9",
                "access_key_id": "test",
                "secret_access_key": "hunter2",
                "retries": 1,
            }
        )
        with pytest.raises(StorageUnreachableError) as caught:
            await Storage(settings).size("a")

        assert caught.value.detail == "The file storage cannot be used (GenericError)."
