from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from app.core.errors import DomainError
from app.infrastructure.database.after_commit import after_rollback
from app.infrastructure.storage.errors import ObjectMissingError
from app.infrastructure.storage.storage import Storage
from app.modules.common.listing import Rows
from app.modules.common.pagination import PageQuery
from app.modules.common.problems import Problem, status_of, type_of
from app.modules.throttle.service import Limit, Throttle
from app.modules.user.errors import NotAuthenticatedError
from app.modules.user.service import lock_user

from . import crud
from .crud import FileCRUD
from .errors import (
    FileRefusedError,
    FileTooLargeError,
    FileTypeError,
    NoLinksError,
    QuotaExceededError,
    UnknownFileError,
    UploadNotFoundError,
)
from .inspection import ReceivedFile
from .intake import Incoming, Intake
from .leftovers import GRACE, Leftovers
from .models import File
from .naming import display_name
from .schemas import (
    FileLink,
    FileRead,
    FileUpdate,
    UploadComplete,
    UploadFailure,
    UploadLink,
    UploadResult,
)
from .settings import FileSettings

# What is wrong with one file and says nothing about the next one.
_OF_ONE_FILE = (FileTypeError, FileTooLargeError, FileRefusedError, QuotaExceededError)


class FileReader:
    """One owner's files: every query starts from theirs."""

    def __init__(self, files: FileCRUD, owner_id: UUID) -> None:
        self.files = files
        self.owner_id = owner_id

    async def get(self, file_id: UUID) -> File:
        file = await self.files.get_owned(self.owner_id, file_id)
        if file is None:
            raise UnknownFileError(file_id)
        return file

    async def page(self, query: PageQuery) -> tuple[Rows, int]:
        return await self.files.page_of(
            self.owner_id, limit=query.items_per_page, offset=query.offset
        )

    async def link(self, file_id: UUID, storage: Storage, settings: FileSettings) -> FileLink:
        """Raises `NoLinksError`."""
        file = await self.get(file_id)
        if not storage.has_links:
            raise NoLinksError
        expires_at = datetime.now(UTC) + timedelta(seconds=settings.link_seconds)
        url = await storage.link("GET", file.key, seconds=settings.link_seconds)
        return FileLink(url=url, expires_at=expires_at)


class FileService(FileReader):
    def __init__(self, files: FileCRUD, owner_id: UUID, leftovers: Leftovers) -> None:
        super().__init__(files, owner_id)
        self.leftovers = leftovers

    async def update(self, file_id: UUID, data: FileUpdate) -> File:
        file = await self.get(file_id)
        values = data.model_dump()
        if "name" in values:
            values["name"] = display_name(values["name"], file.content_type)
        return await self.files.update(file, values)

    async def delete(self, file_id: UUID) -> None:
        key = await self.files.remove(self.owner_id, file_id)
        if key is None:
            raise UnknownFileError(file_id)
        await self.leftovers.give_up(self.files.session, [key])


class UploadService:
    """Takes files in. The content comes first, without a transaction that would wait for it."""

    def __init__(
        self,
        files: FileCRUD,
        owner_id: UUID,
        intake: Intake,
        settings: FileSettings,
        throttle: Throttle,
    ) -> None:
        self.files = files
        self.owner_id = owner_id
        self.intake = intake
        self.leftovers = intake.leftovers
        self.settings = settings
        self.throttle = throttle

    async def store(self, incoming: Incoming) -> File:
        """Raises what `Intake.receive` does."""
        received = await self.intake.receive(self.owner_id, incoming, room=await self._room())
        stored = await self._claim([received])
        if not stored:
            # The request's transaction is rolled back, and the object goes with it.
            raise QuotaExceededError
        return stored[0]

    async def store_all(self, uploads: AsyncIterator[Incoming]) -> UploadResult:
        """Each file stands for itself; what the form or the connection breaks, it does for all."""
        room = await self._room()
        received: dict[int, ReceivedFile] = {}
        errors: dict[int, tuple[str, DomainError]] = {}
        position = -1
        try:
            async for incoming in uploads:
                position += 1
                try:
                    file = await self.intake.receive(self.owner_id, incoming, room=room)
                except _OF_ONE_FILE as error:
                    errors[position] = (display_name(incoming.name, ""), error)
                else:
                    received[position] = file
                    room -= file.size
        except BaseException:
            await self.leftovers.remove([it.key for it in received.values()])
            raise
        stored = await self._claim(list(received.values()))
        kept = {file.id for file in stored}
        over = {
            at: (it.name, QuotaExceededError()) for at, it in received.items() if it.id not in kept
        }
        return _result(stored, errors | over)

    async def begin(self) -> UploadLink:
        """Raises `NoLinksError` and `TooManyAttemptsError`."""
        most, storage = self.settings.upload_links_per_hour, self.leftovers.storage
        if not (most and storage.has_links):
            raise NoLinksError
        limit = Limit(name="file-upload-link", most=most, window_seconds=3600)
        await self.throttle.take(limit, str(self.owner_id), self.owner_id)
        upload_id, lifetime = uuid7(), timedelta(seconds=self.settings.link_seconds)
        key = self._incoming(upload_id)
        await self.leftovers.expect(key, lifetime=lifetime + GRACE)
        expires_at = datetime.now(UTC) + lifetime
        url = await storage.link("PUT", key, seconds=self.settings.link_seconds)
        return UploadLink(id=upload_id, url=url, expires_at=expires_at)

    async def complete(self, upload_id: UUID, data: UploadComplete) -> File:
        """Take in what was sent to the storage. Raises `UploadNotFoundError` and as `store`.

        It is copied while it is checked: the link still works, and may change it at any time.
        """
        key, storage = self._incoming(upload_id), self.leftovers.storage
        try:
            size = await storage.size(key)
        except ObjectMissingError:
            raise UploadNotFoundError from None
        # Read no more than it takes to see that it is too large.
        chunks = storage.read(key, 0, min(size, self.settings.max_bytes + 1))
        file = await self.store(Incoming(data.name, None, chunks, data.description))
        session = self.files.session
        if not await crud.retire(session, key, datetime.now(UTC)):
            raise UploadNotFoundError
        self.leftovers.remove_after_commit(session, [key])
        return file

    def _incoming(self, upload_id: UUID) -> str:
        """Apart from the files themselves: its link must not reach them."""
        return f"incoming/{self.owner_id}/{upload_id}"

    async def _room(self) -> int:
        async with self.leftovers.database.reading() as session:
            count, size = await FileCRUD(session).usage_of(self.owner_id)
        if count >= self.settings.quota_files:
            return 0
        return self.settings.quota_bytes - size

    async def _claim(self, received: Sequence[ReceivedFile]) -> list[File]:
        """Make them the owner's, as many as there is room for; the others go after the commit."""
        session, keys = self.files.session, [it.key for it in received]

        async def remove() -> None:
            await self.leftovers.remove(keys)

        after_rollback(session, remove)
        # The account itself is what two requests at the same moment have to take turns at.
        if not await lock_user(session, self.owner_id):
            raise NotAuthenticatedError
        count, size = await self.files.usage_of(self.owner_id)
        stored: list[File] = []
        for it in received:
            fits = size + it.size <= self.settings.quota_bytes and count < self.settings.quota_files
            if fits:
                stored.append(File(owner_id=self.owner_id, **asdict(it)))
                count, size = count + 1, size + it.size
        session.add_all(stored)
        await session.flush()
        kept = {it.key for it in stored}
        await crud.forget(session, kept)
        self.leftovers.remove_after_commit(session, [key for key in keys if key not in kept])
        return stored


def _result(stored: Sequence[File], errors: dict[int, tuple[str, DomainError]]) -> UploadResult:
    return UploadResult(
        uploaded=len(stored),
        failed=len(errors),
        files=[FileRead.model_validate(file) for file in stored],
        errors=[
            UploadFailure(
                position=position,
                name=name,
                problem=Problem(
                    type=type_of(error.code),
                    title=error.title,
                    status=status_of(type(error)),
                    detail=error.detail,
                ),
            )
            for position, (name, error) in sorted(errors.items())
        ],
    )
