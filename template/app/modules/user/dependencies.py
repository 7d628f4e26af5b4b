from typing import Annotated

from fastapi import Depends
from fastapi.security import OAuth2PasswordBearer
from starlette.requests import HTTPConnection

from app.core.routing import API_PREFIX
from app.infrastructure.database.session import ReadSessionDep, SessionDep, database_of
from app.infrastructure.security.dependencies import PasswordHasherDep, tokens_of
from app.infrastructure.security.tokens import InvalidTokenError

from .crud import UserCRUD, get_current_user
from .errors import NotAuthenticatedError, SuperuserRequiredError
from .models import CurrentUser
from .service import UserService

# Without a leading slash: relative to the docs page, so it works behind a path prefix too.
_bearer = OAuth2PasswordBearer(tokenUrl=f"{API_PREFIX}/auth/token".lstrip("/"), auto_error=False)


async def require_user(
    token: Annotated[str | None, Depends(_bearer)], connection: HTTPConnection
) -> CurrentUser:
    """The account the token was issued to, read anew: a closed account is out at once."""
    if token is None:
        raise NotAuthenticatedError
    try:
        user_id = tokens_of(connection).read(token)
    except InvalidTokenError:
        raise NotAuthenticatedError from None
    # A session of its own, closed before the route runs: holding one connection while waiting for
    # a second is how pools lock up.
    async with database_of(connection).reading() as session:
        user = await get_current_user(session, user_id)
    if user is None:
        raise NotAuthenticatedError
    return user


CurrentUserDep = Annotated[CurrentUser, Depends(require_user)]


async def require_superuser(user: CurrentUserDep) -> CurrentUser:
    if not user.is_superuser:
        raise SuperuserRequiredError
    return user


SuperuserDep = Annotated[CurrentUser, Depends(require_superuser)]


async def get_user_service(session: SessionDep, passwords: PasswordHasherDep) -> UserService:
    return UserService(UserCRUD(session), passwords)


async def get_user_reader(session: ReadSessionDep, passwords: PasswordHasherDep) -> UserService:
    return UserService(UserCRUD(session), passwords)


UserServiceDep = Annotated[UserService, Depends(get_user_service)]
UserReaderDep = Annotated[UserService, Depends(get_user_reader)]
"""The same service on a session that cannot write."""
