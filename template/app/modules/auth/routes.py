from typing import Annotated

from fastapi import Depends
from fastapi.security import OAuth2PasswordRequestForm

from app.core.routing import PrefixRouter
from app.infrastructure.database.errors import DatabaseBusyError, DatabaseUnreachableError
from app.modules.common.problems import raises

from .dependencies import AuthServiceDep
from .errors import InvalidCredentialsError
from .schemas import TokenRead

router = PrefixRouter(prefix="/auth", tags=["auth"])


@router.post(
    "/token",
    responses=raises(InvalidCredentialsError, DatabaseBusyError, DatabaseUnreachableError),
)
async def log_in(
    auth: AuthServiceDep, form: Annotated[OAuth2PasswordRequestForm, Depends()]
) -> TokenRead:
    """Log in with a username or an e-mail address, for an access token."""
    return await auth.log_in(form.username, form.password)
