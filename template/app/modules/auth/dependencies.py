from typing import Annotated

from fastapi import Depends

from app.infrastructure.database.session import DatabaseDep
from app.infrastructure.security.dependencies import AccessTokensDep, PasswordHasherDep

from .service import AuthService


async def get_auth_service(
    database: DatabaseDep, passwords: PasswordHasherDep, tokens: AccessTokensDep
) -> AuthService:
    return AuthService(database, passwords, tokens)


AuthServiceDep = Annotated[AuthService, Depends(get_auth_service)]
