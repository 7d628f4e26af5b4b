from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.core.late import Late
from app.infrastructure.database.session import ReadSessionDep, SessionDep
from app.infrastructure.security.dependencies import SecurityEventsDep
from app.modules.user.dependencies import ThrottleDep, extensions_of, requires
from app.modules.user.models import CurrentUser

from .content import Rules
from .crud import FileCRUD
from .intake import Intake
from .leftovers import Leftovers
from .permissions import READ_FILES, WRITE_FILES
from .service import FileReader, FileService, UploadService
from .settings import FileSettings

_Writer = Annotated[CurrentUser, requires(WRITE_FILES)]


async def get_file_settings(connection: HTTPConnection) -> FileSettings:
    return cast("FileSettings", connection.state.file_settings)


async def get_leftovers(connection: HTTPConnection) -> Leftovers:
    return cast("Late[Leftovers]", connection.state.file_leftovers)()


FileSettingsDep = Annotated[FileSettings, Depends(get_file_settings)]
LeftoversDep = Annotated[Leftovers, Depends(get_leftovers)]


async def get_file_reader(
    user: Annotated[CurrentUser, requires(READ_FILES)], session: ReadSessionDep
) -> FileReader:
    return FileReader(FileCRUD(session), user.id)


async def get_file_service(
    user: _Writer, session: SessionDep, leftovers: LeftoversDep
) -> FileService:
    return FileService(FileCRUD(session), user.id, leftovers)


async def get_intake(
    connection: HTTPConnection,
    leftovers: LeftoversDep,
    events: SecurityEventsDep,
    settings: FileSettingsDep,
) -> Intake:
    rules = Rules(settings.max_bytes, settings.allowed_types)
    return Intake(leftovers, extensions_of(connection), events, rules)


async def get_upload_service(
    user: _Writer,
    session: SessionDep,
    intake: Annotated[Intake, Depends(get_intake)],
    settings: FileSettingsDep,
    throttle: ThrottleDep,
) -> UploadService:
    return UploadService(FileCRUD(session), user.id, intake, settings, throttle)


FileReaderDep = Annotated[FileReader, Depends(get_file_reader)]
FileServiceDep = Annotated[FileService, Depends(get_file_service)]
UploadServiceDep = Annotated[UploadService, Depends(get_upload_service)]
