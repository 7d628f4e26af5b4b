from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request, Response

from app.core.routing import PrefixRouter
from app.infrastructure.database.errors import DatabaseBusyError, DatabaseUnreachableError
from app.infrastructure.storage.dependencies import StorageDep
from app.infrastructure.storage.errors import StorageUnreachableError
from app.modules.common.pagination import Page, PageQuery, page_of
from app.modules.common.problems import raises, response_entry
from app.modules.throttle.errors import TooManyAttemptsError
from app.modules.user.errors import InsufficientScopeError, NotAuthenticatedError

from .dependencies import FileReaderDep, FileServiceDep, FileSettingsDep, UploadServiceDep
from .download import download
from .errors import (
    ContentMissingError,
    FileRefusedError,
    FileTooLargeError,
    FileTypeError,
    FormTypeError,
    MalformedFormError,
    NoLinksError,
    QuotaExceededError,
    UnknownFileError,
    UploadBrokenOffError,
    UploadNotFoundError,
)
from .form import form_schema, form_uploads, raw_schema, raw_upload
from .models import File
from .schemas import (
    FileLink,
    FileRead,
    FileUpdate,
    RawQuery,
    UploadComplete,
    UploadLink,
    UploadResult,
)
from .settings import FileSettings

_OF_CONTENT = (FileTypeError, FileTooLargeError, FileRefusedError, QuotaExceededError)
_DATABASE = (DatabaseBusyError, DatabaseUnreachableError)
_binary = {"schema": {"type": "string", "format": "binary"}}
_DOWNLOAD: dict[int | str, dict[str, Any]] = {
    200: {"description": "The content", "content": {"*/*": _binary}},
    206: {"description": "A part of the content", "content": {"*/*": _binary}},
    304: {"description": "The content is that of `If-None-Match`"},
    416: response_entry("The range begins after the end of the file"),
}

router = PrefixRouter(
    prefix="/files",
    tags=["files"],
    responses=raises(NotAuthenticatedError, InsufficientScopeError, *_DATABASE),
)


def upload_router(settings: FileSettings) -> PrefixRouter:
    """The routes whose description depends on the settings."""
    uploads = PrefixRouter(
        prefix="/files",
        tags=["files"],
        responses=raises(
            NotAuthenticatedError, InsufficientScopeError, *_DATABASE, StorageUnreachableError
        ),
    )
    uploads.post(
        "",
        response_model=UploadResult,
        openapi_extra={"requestBody": form_schema(settings)},
        responses=raises(FormTypeError, MalformedFormError, UploadBrokenOffError),
    )(upload_files)
    uploads.post(
        "/raw",
        response_model=FileRead,
        status_code=HTTPStatus.CREATED,
        openapi_extra={"requestBody": raw_schema(settings)},
        responses=raises(*_OF_CONTENT, UploadBrokenOffError),
    )(upload_raw_file)
    return uploads


async def upload_files(
    uploads: UploadServiceDep, settings: FileSettingsDep, request: Request
) -> UploadResult:
    """Upload several files in a form; the answer says for each whether it was stored.

    A description applies to the files after it.
    """
    return await uploads.store_all(form_uploads(request, settings))


async def upload_raw_file(
    uploads: UploadServiceDep,
    query: Annotated[RawQuery, Query()],
    request: Request,
    response: Response,
) -> File:
    """Upload one file as the whole body: `curl --data-binary @photo.jpg`."""
    file = await uploads.store(raw_upload(request, query))
    response.headers["Location"] = request.url_for("read_file", file_id=file.id).path
    return file


@router.get("", response_model=Page[FileRead])
async def list_files(
    files: FileReaderDep, query: Annotated[PageQuery, Query()]
) -> dict[str, object]:
    """List your files, newest first."""
    return page_of(query, *await files.page(query))


@router.post(
    "/uploads",
    response_model=UploadLink,
    status_code=HTTPStatus.CREATED,
    responses=raises(NoLinksError, TooManyAttemptsError, StorageUnreachableError, *_DATABASE),
)
async def begin_upload(uploads: UploadServiceDep) -> UploadLink:
    """Get a link to which to `PUT` a file, past this service; then complete the upload."""
    return await uploads.begin()


@router.post(
    "/uploads/{upload_id:uuid}/complete",
    response_model=FileRead,
    status_code=HTTPStatus.CREATED,
    responses=raises(*_OF_CONTENT, UploadNotFoundError, StorageUnreachableError, *_DATABASE),
)
async def complete_upload(
    uploads: UploadServiceDep,
    upload_id: UUID,
    data: UploadComplete,
    request: Request,
    response: Response,
) -> File:
    """Make a file of what was sent to a link: it is checked like any other."""
    file = await uploads.complete(upload_id, data)
    response.headers["Location"] = request.url_for("read_file", file_id=file.id).path
    return file


@router.get("/{file_id:uuid}", response_model=FileRead, responses=raises(UnknownFileError))
async def read_file(files: FileReaderDep, file_id: UUID) -> File:
    """Read what is known about one of your files."""
    return await files.get(file_id)


@router.get(
    "/{file_id:uuid}/content",
    response_class=Response,
    responses=_DOWNLOAD
    | raises(UnknownFileError, ContentMissingError)
    | raises(StorageUnreachableError, *_DATABASE),
)
async def download_file(
    files: FileReaderDep,
    storage: StorageDep,
    file_id: UUID,
    request: Request,
    disposition: Literal["attachment", "inline"] = "attachment",
) -> Response:
    """Download one of your files, or one `Range` of it.

    `inline` shows an image in the browser; every other type is saved all the same.
    """
    file = await files.get(file_id)
    return await download(file, storage, request.headers, is_inline=disposition == "inline")


@router.post(
    "/{file_id:uuid}/link",
    response_model=FileLink,
    responses=raises(UnknownFileError, NoLinksError, StorageUnreachableError, *_DATABASE),
)
async def link_file(
    files: FileReaderDep, storage: StorageDep, settings: FileSettingsDep, file_id: UUID
) -> FileLink:
    """Get a link to the content for whoever has it, for a short time."""
    return await files.link(file_id, storage, settings)


@router.patch("/{file_id:uuid}", response_model=FileRead, responses=raises(UnknownFileError))
async def update_file(files: FileServiceDep, file_id: UUID, data: FileUpdate) -> File:
    """Rename a file or describe it; the content never changes."""
    return await files.update(file_id, data)


@router.delete(
    "/{file_id:uuid}", status_code=HTTPStatus.NO_CONTENT, responses=raises(UnknownFileError)
)
async def delete_file(files: FileServiceDep, file_id: UUID) -> None:
    """Delete a file and its content."""
    await files.delete(file_id)
