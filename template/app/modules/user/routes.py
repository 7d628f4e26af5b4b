from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import Field

from app.core.routing import PrefixRouter
from app.infrastructure.database.errors import DatabaseBusyError, DatabaseUnreachableError
from app.modules.common.pagination import Page, PageQuery
from app.modules.common.problems import raises
from app.modules.common.schemas import ONE_LINE

from .dependencies import (
    CurrentUserDep,
    UserReaderDep,
    UserServiceDep,
    require_superuser,
    require_user,
)
from .errors import (
    EmailTakenError,
    NotAuthenticatedError,
    SuperuserRequiredError,
    UsernameTakenError,
    UserNotFoundError,
    WrongPasswordError,
)
from .models import CurrentUser, User
from .schemas import UserAdminRead, UserCreate, UserPublic, UserRead, UserUpdate

router = PrefixRouter(
    prefix="/users",
    tags=["users"],
    responses=raises(DatabaseBusyError, DatabaseUnreachableError),
)
_SUPERUSERS = [Depends(require_superuser)]


class UserQuery(PageQuery):
    search: Annotated[str, Field(max_length=100), ONE_LINE] | None = None


@router.post(
    "",
    response_model=UserRead,
    status_code=HTTPStatus.CREATED,
    responses=raises(EmailTakenError, UsernameTakenError),
)
async def register_user(users: UserServiceDep, data: UserCreate) -> User:
    """Register an account."""
    return await users.register(data)


@router.get("/me", response_model=UserRead, responses=raises(NotAuthenticatedError))
async def read_own_account(user: CurrentUserDep) -> CurrentUser:
    """Read your own account."""
    return user


@router.patch(
    "/me",
    response_model=UserRead,
    responses=raises(
        NotAuthenticatedError, WrongPasswordError, EmailTakenError, UsernameTakenError
    ),
)
async def update_own_account(user: CurrentUserDep, users: UserServiceDep, data: UserUpdate) -> User:
    """Change the fields that are present and leave the others alone."""
    return await users.update(user.id, data)


@router.delete("/me", status_code=HTTPStatus.NO_CONTENT, responses=raises(NotAuthenticatedError))
async def delete_own_account(user: CurrentUserDep, users: UserServiceDep) -> None:
    """Close your own account. Its e-mail address and username can be registered again."""
    await users.delete(user.id)


@router.get(
    "",
    response_model=Page[UserAdminRead],
    dependencies=_SUPERUSERS,
    responses=raises(NotAuthenticatedError, SuperuserRequiredError),
)
async def list_users(
    users: UserReaderDep, query: Annotated[UserQuery, Query()]
) -> dict[str, object]:
    """List accounts, newest first. For superusers."""
    data, total = await users.page(query, query.search)
    return {
        "data": data,
        "total_count": total,
        "page": query.page,
        "items_per_page": query.items_per_page,
    }


@router.get(
    "/{user_id:uuid}",
    response_model=UserPublic,
    dependencies=[Depends(require_user)],
    responses=raises(NotAuthenticatedError, UserNotFoundError),
)
async def read_user(users: UserReaderDep, user_id: UUID) -> User:
    """Read what is public about another account."""
    return await users.get(user_id)


@router.delete(
    "/{user_id:uuid}",
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=_SUPERUSERS,
    responses=raises(NotAuthenticatedError, SuperuserRequiredError, UserNotFoundError),
)
async def anonymize_user(users: UserServiceDep, user_id: UUID) -> None:
    """Close an account and erase whose it was. For superusers; cannot be undone."""
    await users.anonymize(user_id)
