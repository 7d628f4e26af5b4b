from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.modules.auth.dependencies import AuthServiceDep

from .post import Post
from .service import AccountEmailService


async def get_account_email_service(
    auth: AuthServiceDep, connection: HTTPConnection
) -> AccountEmailService:
    return AccountEmailService(auth, cast("Post", connection.state.account_post))


AccountEmailServiceDep = Annotated[AccountEmailService, Depends(get_account_email_service)]
