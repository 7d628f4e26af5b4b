from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from app.core.routing import PrefixRouter
from app.infrastructure.database.errors import DatabaseBusyError, DatabaseUnreachableError
from app.modules.common.pagination import (
    CursorPage,
    CursorQuery,
    Page,
    PageQuery,
    cursor_page_of,
    page_of,
)
from app.modules.common.problems import raises
from app.modules.throttle.errors import TooManyAttemptsError
from app.modules.user.dependencies import require_recent_caller
from app.modules.user.errors import (
    InsufficientScopeError,
    NotAuthenticatedError,
    OutrankedError,
    RecentLoginRequiredError,
    UserNotFoundError,
)

from .dependencies import (
    AnothersKeyReaderDep,
    AnothersKeyRevocationDep,
    ApiKeyReaderDep,
    ApiKeyServiceDep,
    HeldPermissionsDep,
)
from .errors import (
    ApiKeyNotFoundError,
    ApiKeyOverError,
    ExpiryOutOfRangeError,
    ScopeNotHeldError,
    TooManyApiKeysError,
)
from .models import ApiKey
from .schemas import (
    ApiKeyCreate,
    ApiKeyGenerated,
    ApiKeyRead,
    ApiKeyRotate,
    ApiKeyUpdate,
    UsageDayRead,
    UsageDaysQuery,
    UsageRead,
)

_DATABASE = raises(DatabaseBusyError, DatabaseUnreachableError)
_GUARDED = (NotAuthenticatedError, InsufficientScopeError)
_RECENT = (*_GUARDED, RecentLoginRequiredError)
_recently = [Depends(require_recent_caller)]

router = PrefixRouter(prefix="/api-keys", tags=["api-keys"], responses=_DATABASE)
user_router = PrefixRouter(prefix="/users", tags=["users"], responses=_DATABASE)


@router.post(
    "",
    response_model=ApiKeyGenerated,
    status_code=HTTPStatus.CREATED,
    dependencies=_recently,
    responses=raises(
        *_RECENT,
        ScopeNotHeldError,
        ExpiryOutOfRangeError,
        TooManyApiKeysError,
        TooManyAttemptsError,
    ),
)
async def generate_api_key(
    keys: ApiKeyServiceDep,
    held: HeldPermissionsDep,
    data: ApiKeyCreate,
    request: Request,
    response: Response,
) -> ApiKeyGenerated:
    """Generate a key for a program, which sends it as `X-API-Key`.

    This answer alone shows it: keep it like a password. It is accepted where a route asks for
    permissions, if it has all of them.
    """
    generated = await keys.generate(data, held)
    response.headers["Location"] = request.url_for("read_api_key", key_id=generated.id).path
    return generated


@router.get("", response_model=Page[ApiKeyRead], responses=raises(*_GUARDED))
async def list_api_keys(
    keys: ApiKeyReaderDep, query: Annotated[PageQuery, Query()]
) -> dict[str, object]:
    """List your keys, newest first; expired ones too until you revoke them."""
    return page_of(query, *await keys.page(query))


@router.delete(
    "",
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=_recently,
    responses=raises(*_RECENT),
)
async def revoke_api_keys(keys: ApiKeyServiceDep) -> None:
    """Revoke all your keys; none of them works from now on."""
    await keys.revoke_all()


@router.get(
    "/{key_id:uuid}",
    response_model=ApiKeyRead,
    responses=raises(*_GUARDED, ApiKeyNotFoundError),
)
async def read_api_key(keys: ApiKeyReaderDep, key_id: UUID) -> ApiKey:
    """Read what is known about one of your keys; the key itself is not."""
    return await keys.get(key_id)


@router.patch(
    "/{key_id:uuid}",
    response_model=ApiKeyRead,
    responses=raises(*_GUARDED, ApiKeyNotFoundError),
)
async def rename_api_key(keys: ApiKeyServiceDep, key_id: UUID, data: ApiKeyUpdate) -> ApiKey:
    """Rename a key; what it may do and until when never changes."""
    return await keys.update(key_id, data)


@router.delete(
    "/{key_id:uuid}",
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=_recently,
    responses=raises(*_RECENT, ApiKeyNotFoundError),
)
async def revoke_api_key(keys: ApiKeyServiceDep, key_id: UUID) -> None:
    """Revoke a key; it does not work from now on."""
    await keys.revoke(key_id)


@router.post(
    "/{key_id:uuid}/rotate",
    response_model=ApiKeyGenerated,
    status_code=HTTPStatus.CREATED,
    dependencies=_recently,
    responses=raises(*_RECENT, ApiKeyNotFoundError, ApiKeyOverError, TooManyAttemptsError),
)
async def rotate_api_key(
    keys: ApiKeyServiceDep, key_id: UUID, data: ApiKeyRotate, request: Request, response: Response
) -> ApiKeyGenerated:
    """Replace a key by a new one that may do the same; both work for `overlap_seconds`."""
    generated = await keys.rotate(key_id, data)
    response.headers["Location"] = request.url_for("read_api_key", key_id=generated.id).path
    return generated


@router.get(
    "/{key_id:uuid}/usage",
    response_model=CursorPage[UsageRead],
    responses=raises(*_GUARDED, ApiKeyNotFoundError),
)
async def list_api_key_usage(
    keys: ApiKeyReaderDep, key_id: UUID, query: Annotated[CursorQuery, Query()]
) -> dict[str, object]:
    """Go through the requests with a key, newest first; they show up some seconds later."""
    return cursor_page_of(*await keys.scroll_usage(key_id, query))


@router.get(
    "/{key_id:uuid}/usage/daily",
    response_model=list[UsageDayRead],
    responses=raises(*_GUARDED, ApiKeyNotFoundError),
)
async def read_api_key_usage_by_day(
    keys: ApiKeyReaderDep, key_id: UUID, query: Annotated[UsageDaysQuery, Query()]
) -> object:
    """Read how much a key was used on each day (UTC), newest first, without the days it was not."""
    return await keys.usage_by_day(key_id, query.days)


@user_router.get(
    "/{user_id:uuid}/api-keys",
    response_model=Page[ApiKeyRead],
    responses=raises(*_GUARDED, UserNotFoundError),
)
async def list_api_keys_of_user(
    keys: AnothersKeyReaderDep, query: Annotated[PageQuery, Query()]
) -> dict[str, object]:
    """List an account's keys, newest first."""
    return page_of(query, *await keys.page(query))


@user_router.delete(
    "/{user_id:uuid}/api-keys/{key_id:uuid}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=raises(*_GUARDED, OutrankedError, UserNotFoundError, ApiKeyNotFoundError),
)
async def revoke_api_key_of_user(keys: AnothersKeyRevocationDep, key_id: UUID) -> None:
    """Revoke a key of an account below yours."""
    await keys.revoke(key_id)


@user_router.post(
    "/{user_id:uuid}/api-keys/revoke",
    status_code=HTTPStatus.NO_CONTENT,
    responses=raises(*_GUARDED, OutrankedError, UserNotFoundError),
)
async def revoke_api_keys_of_user(keys: AnothersKeyRevocationDep) -> None:
    """Revoke all keys of an account below yours."""
    await keys.revoke_all()
