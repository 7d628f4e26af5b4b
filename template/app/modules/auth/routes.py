from typing import Annotated

from fastapi import Form

from app.core.routing import PrefixRouter
from app.infrastructure.database.errors import DatabaseBusyError, DatabaseUnreachableError
from app.modules.common.problems import raises

from .dependencies import AuthServiceDep
from .errors import InvalidCredentialsError
from .schemas import LoginForm, TokenRead

router = PrefixRouter(prefix="/auth", tags=["auth"])


@router.post(
    "/token",
    responses=raises(InvalidCredentialsError, DatabaseBusyError, DatabaseUnreachableError),
)
async def log_in(auth: AuthServiceDep, form: Annotated[LoginForm, Form()]) -> TokenRead:
    """Log in with a username or an e-mail address, for an access token."""
    return await auth.log_in(form.username, form.password)
