import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Receive, Scope, Send
from typer.testing import CliRunner
from uvicorn import Config, Server

from app.cli import Runner
from app.core.extensions import Extensions
from app.infrastructure.database.database import Database
from app.infrastructure.database.purge import Purge, purge
from app.infrastructure.storage.settings import StorageSettings
from app.infrastructure.storage.storage import PART_BYTES, Storage
from app.modules.file.commands import commands
from app.modules.file.crud import FileCRUD
from app.modules.file.leftovers import LeftoversPurge
from app.modules.file.models import File, FileLeftover
from app.modules.file.service import FileService
from app.modules.file.settings import FileSettings
from app.modules.user.models import User
from tests.fixtures.auth import create_user, log_in
from tests.support import client_of

from .samples import PNG, TEXT, objects, stored, upload

pytestmark = pytest.mark.anyio

Adjust = Callable[..., FileSettings]
DOWN = StorageSettings.model_validate(
    {
        "bucket": "files",
        # Port 9 is for discarding; nobody listens.
        "endpoint": "http://127.0.0.1:9",
        "access_key_id": "test",
        "secret_access_key": "hunter2",
        "retries": 0,
    }
)


async def rows(database: Database) -> tuple[int, int]:
    """Of files, and of leftovers."""
    async with database.reading() as session:
        files = await session.scalar(select(func.count()).select_from(File))
        leftovers = await session.scalar(select(func.count()).select_from(FileLeftover))
    return files or 0, leftovers or 0


@asynccontextmanager
async def listening(app: FastAPI, state: dict[str, Any]) -> AsyncGenerator[int]:
    """A real server; its port."""

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(state)
        await app(scope, receive, send)

    server = Server(Config(with_state, port=0, lifespan="off", log_config=None, ws="none"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done()
        await asyncio.sleep(0.005)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


async def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


class TestBrokenOff:
    @pytest.mark.parametrize("chunked", [True, False])
    async def test_leaves_nothing(
        self,
        app: FastAPI,
        state: dict[str, Any],
        committed: Database,
        folder: Path,
        chunked: bool,  # noqa: FBT001
    ) -> None:
        async with committed.write_sessions() as session:
            user = await create_user(session)
        async with client_of(app, state) as client, listening(app, state) as port:
            await log_in(client, state, user)
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            content = b"x" * (PART_BYTES + 1)
            body, header = content, "Content-Length: 9000000"
            if chunked:
                body, header = (
                    b"%x\r\n%s\r\n" % (len(content), content),
                    "Transfer-Encoding: chunked",
                )
            head = (
                f"POST /api/v1/files/raw HTTP/1.1\r\nHost: test\r\n{header}\r\n"
                f"Authorization: {client.headers['authorization']}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
            await eventually(lambda: objects(folder, user.id) != [])
            assert (await rows(committed))[1] == 1
            writer.transport.abort()
            await eventually(lambda: objects(folder, user.id) == [])

        assert await rows(committed) == (0, 0)

    async def test_takes_the_files_before_it_back(
        self, user_client: AsyncClient, user: User, folder: Path, committed: Database
    ) -> None:
        part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nx\r\n'
        response = await user_client.post(
            "files",
            content=part * 2 + part[:20],
            headers={"content-type": "multipart/form-data; boundary=b"},
        )

        assert response.status_code == 422
        assert objects(folder, user.id) == []
        assert await rows(committed) == (0, 0)


class TestRollback:
    async def test_takes_the_object_back(
        self, user_client: AsyncClient, user: User, session: AsyncSession, folder: Path
    ) -> None:
        """The account is closed between the check of the login and the end of the upload."""

        async def closing() -> AsyncIterator[bytes]:
            yield TEXT
            await session.refresh(user)
            user.is_active = False
            await session.commit()

        response = await user_client.post("files/raw", content=closing())

        assert response.status_code == 401
        assert objects(folder, user.id) == []

    async def test_of_a_deletion_leaves_it(
        self, user_client: AsyncClient, user: User, folder: Path, state: dict[str, Any]
    ) -> None:
        file = await stored(user_client)
        with pytest.raises(ValueError, match="too late"):
            async with state["database"].transaction() as session:
                service = FileService(FileCRUD(session), user.id, state["file_leftovers"]())
                await service.delete(UUID(file["id"]))
                raise ValueError("too late")

        assert objects(folder, user.id) == [file["id"]]
        assert (await user_client.get(f"files/{file['id']}/content")).status_code == 200


class TestConcurrency:
    async def test_uploads_at_the_same_moment_share_one_quota(
        self,
        app: FastAPI,
        state: dict[str, Any],
        committed: Database,
        folder: Path,
        adjust_files: Adjust,
    ) -> None:
        adjust_files(max_bytes=100, quota_bytes=250)
        async with committed.write_sessions() as session:
            user = await create_user(session)
        async with client_of(app, state) as client:
            await log_in(client, state, user)
            posts = [client.post("files/raw", content=b"x" * 100) for _ in range(6)]
            statuses = sorted(it.status_code for it in await asyncio.gather(*posts))

        assert statuses == [201, 201, 409, 409, 409, 409]
        assert len(objects(folder, user.id)) == 2
        assert await rows(committed) == (2, 0)

    async def test_of_two_deletions_one_wins(
        self, app: FastAPI, state: dict[str, Any], committed: Database
    ) -> None:
        async with committed.write_sessions() as session:
            user = await create_user(session)
        async with client_of(app, state) as client:
            await log_in(client, state, user)
            file = await stored(client)
            deletions = [client.delete(f"files/{file['id']}") for _ in range(4)]
            statuses = sorted(it.status_code for it in await asyncio.gather(*deletions))

        assert statuses == [204, 404, 404, 404]
        assert await rows(committed) == (0, 0)


class TestOutage:
    async def test_is_answered_and_made_good_for(
        self,
        user_client: AsyncClient,
        user: User,
        folder: Path,
        state: dict[str, Any],
        keep_in: Callable[..., Storage],
        storage_settings: StorageSettings,
    ) -> None:
        database: Database = state["database"]
        file = await stored(user_client)
        keep_in(DOWN)
        answers = [
            await user_client.post("files/raw", content=PNG),
            await user_client.post("files", files={"files": ("a.png", PNG)}),
            await user_client.get(f"files/{file['id']}/content"),
        ]
        deleted = await user_client.delete(f"files/{file['id']}")

        assert [it.status_code for it in answers] == [503, 503, 503]
        assert {it.json()["type"] for it in answers} == {"urn:problem:storage.unreachable"}
        assert "hunter2" not in answers[0].text
        # The file is gone for its owner; what it was stays noted.
        assert deleted.status_code == 204
        assert await rows(database) == (0, 3)
        extensions = Extensions([LeftoversPurge(state["file_leftovers"])])
        assert await purge(database, extensions) == {"file_leftovers": 0}
        keep_in(storage_settings)
        assert await purge(database, extensions) == {"file_leftovers": 1}
        assert objects(folder, user.id) == []
        assert await rows(database) == (0, 2)


class TestPurge:
    async def test_removes_what_a_killed_process_has_left(
        self, user_client: AsyncClient, user: User, folder: Path, state: dict[str, Any]
    ) -> None:
        leftovers = state["file_leftovers"]()
        await stored(user_client)
        await leftovers.expect(f"{user.id}/lost")
        (folder / str(user.id) / "lost").write_bytes(b"x")
        database: Database = state["database"]
        extension = LeftoversPurge(lambda: leftovers)
        now = datetime.now(UTC)
        async with database.transaction() as session:
            early = await extension.purge(session, now + timedelta(hours=23))
        async with database.transaction() as session:
            due = await extension.purge(session, now + timedelta(hours=25))

        assert (early, due) == (0, 1)
        assert len(objects(folder, user.id)) == 1
        assert await rows(database) == (1, 0)

    def test_is_one_of_the_service(self, state: dict[str, Any]) -> None:
        assert [type(it) for it in state["extensions"].of(Purge)].count(LeftoversPurge) == 1


class TestOrphansCommand:
    @pytest.mark.parametrize("delete", [False, True])
    def test_finds_objects_that_no_file_has(
        self,
        runner: Runner,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        delete: bool,  # noqa: FBT001
    ) -> None:
        monkeypatch.setattr("app.modules.file.commands._BATCH", 2)
        keys = [f"{uuid4()}/{uuid4()}" for _ in range(4)]
        old = time.time() - 2 * 86_400
        for key in keys:
            path = tmp_path / key
            path.parent.mkdir()
            path.write_bytes(b"abc")
            if key != keys[3]:
                os.utime(path, (old, old))

        class Beside:
            """The service, with a storage of this test's own and the leftover `keys[0]`."""

            def run(self, job: Callable[[dict[str, Any]], Any]) -> Any:  # noqa: ANN401
                async def inside(state: Any) -> Any:  # noqa: ANN401
                    await state["file_leftovers"]().expect(keys[0])
                    storage = Storage(StorageSettings(folder=tmp_path))
                    return await job({**state, "storage": storage})

                return runner.run(inside)

        arguments = ["orphans", "--delete"] if delete else ["orphans"]
        result = CliRunner().invoke(commands, arguments, obj=Beside())

        assert result.exit_code == 0, result.output
        *lines, summary = result.output.splitlines()
        assert sorted(lines) == sorted(f"{key}  3" for key in keys[1:3])
        assert summary == f"2 object(s) without a file{', deleted' if delete else ''}."
        assert [(tmp_path / key).exists() for key in keys] == [True, not delete, not delete, True]


async def test_a_form_is_stored_as_a_whole_or_refused(
    user_client: AsyncClient, state: dict[str, Any]
) -> None:
    await upload(user_client, ("a.png", PNG, ""), ("b.txt", TEXT, ""))

    assert await rows(state["database"]) == (2, 0)
