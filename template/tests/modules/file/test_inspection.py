from pathlib import Path
from typing import Any

import pytest
from httpx2 import AsyncClient

from app.core.errors import UnavailableError
from app.core.extensions import Extensions
from app.infrastructure.storage.storage import Storage
from app.modules.file.errors import FileRefusedError
from app.modules.file.inspection import FileInspector, ReceivedFile
from app.modules.user.models import User
from tests.fixtures.auth import Witness

from .samples import PNG, TEXT, objects, stored, upload

pytestmark = pytest.mark.anyio

# What every virus scanner takes for a virus, broken up so that none takes this file for one.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class ScannerDownError(UnavailableError):
    code = "scanner.down"
    title = "Scanner down"


class Scanner(FileInspector):
    def __init__(self) -> None:
        self.seen: list[ReceivedFile] = []
        self.is_down = False

    async def inspect(self, file: ReceivedFile, storage: Storage) -> None:
        if self.is_down:
            raise ScannerDownError("Nobody can tell.", retry_after_seconds=5)
        self.seen.append(file)
        content = b"".join([piece async for piece in storage.read(file.key, 0, file.size)])
        if b"EICAR" in content:
            raise FileRefusedError("The file has a virus in it.")


@pytest.fixture
def scanner(state: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Scanner:
    scanner = Scanner()
    monkeypatch.setitem(state, "extensions", _with(state["extensions"], scanner))
    return scanner


def _with(extensions: Extensions, item: object) -> Extensions:
    return Extensions([*extensions.of(object), item])


class TestInspector:
    async def test_sees_each_file_before_it_counts(
        self, user_client: AsyncClient, scanner: Scanner
    ) -> None:
        file = await stored(user_client, PNG, "cat.png")

        (seen,) = scanner.seen
        assert (str(seen.id), seen.name, seen.content_type) == (file["id"], "cat.png", "image/png")
        assert (seen.size, seen.sha256) == (file["size"], file["sha256"])

    async def test_may_refuse_one(
        self, user_client: AsyncClient, user: User, scanner: Scanner, folder: Path, witness: Witness
    ) -> None:
        response = await user_client.post("files/raw", content=EICAR)
        result = await upload(user_client, ("virus.txt", EICAR, ""), ("a.txt", TEXT, ""))

        assert response.status_code == 422
        assert response.json()["type"] == "urn:problem:file.refused"
        assert response.json()["detail"] == "The file has a virus in it."
        assert (result["uploaded"], result["errors"][0]["problem"]["status"]) == (1, 422)
        assert objects(folder, user.id) == [result["files"][0]["id"]]
        assert len(scanner.seen) == 3
        assert witness.names == ["file_refused", "file_refused"]
        event = witness.events[0]
        assert (event.is_warning, event.target_id, list(event.details)) == (
            True,
            user.id,
            ["sha256"],
        )

    async def test_that_cannot_tell_lets_nothing_pass(
        self, user_client: AsyncClient, user: User, scanner: Scanner, folder: Path
    ) -> None:
        scanner.is_down = True
        response = await user_client.post("files/raw", content=TEXT)

        assert (response.status_code, response.headers["retry-after"]) == (503, "5")
        assert objects(folder, user.id) == []
