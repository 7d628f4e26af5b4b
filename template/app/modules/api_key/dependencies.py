from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.infrastructure.database.session import ReadSessionDep, SessionDep
from app.infrastructure.security.dependencies import KeyringDep, SecurityEventsDep
from app.modules.user.dependencies import (
    CurrentUserDep,
    RecentCallerDep,
    ThrottleDep,
    UserReaderDep,
    UserServiceDep,
    authentication_of,
    requires,
)
from app.modules.user.models import CurrentUser

from .crud import ApiKeyCRUD
from .permissions import MANAGE_API_KEYS
from .service import ApiKeyReader, ApiKeyRevocation, ApiKeyService, KeyRules
from .settings import ApiKeySettings


async def get_key_rules(
    connection: HTTPConnection, keyring: KeyringDep, throttle: ThrottleDep
) -> KeyRules:
    settings = cast("ApiKeySettings", connection.state.api_key_settings)
    return KeyRules(keyring, throttle, settings)


async def get_held_permissions(
    connection: HTTPConnection, caller: RecentCallerDep
) -> frozenset[str]:
    return await authentication_of(connection).held(
        connection, caller.user.id, is_superuser=caller.user.is_superuser
    )


async def get_api_key_service(
    user: CurrentUserDep,
    session: SessionDep,
    events: SecurityEventsDep,
    rules: Annotated[KeyRules, Depends(get_key_rules)],
) -> ApiKeyService:
    return ApiKeyService(ApiKeyCRUD(session), user.id, events, rules)


async def get_api_key_reader(user: CurrentUserDep, session: ReadSessionDep) -> ApiKeyReader:
    return ApiKeyReader(ApiKeyCRUD(session), user.id)


async def get_api_key_reader_of_another(
    _: Annotated[CurrentUser, requires(MANAGE_API_KEYS)],
    session: ReadSessionDep,
    users: UserReaderDep,
    user_id: UUID,
) -> ApiKeyReader:
    user = await users.get(user_id)
    return ApiKeyReader(ApiKeyCRUD(session), user.id)


async def get_revocation_of_another(
    caller: Annotated[CurrentUser, requires(MANAGE_API_KEYS)],
    session: SessionDep,
    users: UserServiceDep,
    events: SecurityEventsDep,
    user_id: UUID,
) -> ApiKeyRevocation:
    user = await users.get(user_id)
    await users.require_rank(caller, user)
    return ApiKeyRevocation(ApiKeyCRUD(session), user.id, events)


HeldPermissionsDep = Annotated[frozenset[str], Depends(get_held_permissions)]
ApiKeyServiceDep = Annotated[ApiKeyService, Depends(get_api_key_service)]
ApiKeyReaderDep = Annotated[ApiKeyReader, Depends(get_api_key_reader)]
AnothersKeyReaderDep = Annotated[ApiKeyReader, Depends(get_api_key_reader_of_another)]
"""Those of the account in the path, for who manages keys."""
AnothersKeyRevocationDep = Annotated[ApiKeyRevocation, Depends(get_revocation_of_another)]
"""The same for who outranks that account."""
