from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.infrastructure.database.session import DatabaseDep, ReadSessionDep, SessionDep
from app.infrastructure.security.dependencies import AuthSettingsDep, SecurityEventsDep
from app.modules.user.dependencies import PasswordCheckDep

from .flow import LoginFlow
from .service import AuthService
from .sessions import LoginSessions
from .tokens import RefreshTokens, refresh_tokens_of


async def get_auth_service(
    database: DatabaseDep, check: PasswordCheckDep, events: SecurityEventsDep
) -> AuthService:
    return AuthService(database, check, events)


async def get_login_flow(connection: HTTPConnection) -> LoginFlow:
    return LoginFlow(connection)


async def get_refresh_tokens(connection: HTTPConnection) -> RefreshTokens:
    return refresh_tokens_of(connection)


async def get_login_sessions(
    session: SessionDep, events: SecurityEventsDep, settings: AuthSettingsDep
) -> LoginSessions:
    return LoginSessions(session, events, settings)


async def get_login_session_reader(
    session: ReadSessionDep, events: SecurityEventsDep, settings: AuthSettingsDep
) -> LoginSessions:
    return LoginSessions(session, events, settings)


AuthServiceDep = Annotated[AuthService, Depends(get_auth_service)]
LoginFlowDep = Annotated[LoginFlow, Depends(get_login_flow)]
RefreshTokensDep = Annotated[RefreshTokens, Depends(get_refresh_tokens)]
LoginSessionsDep = Annotated[LoginSessions, Depends(get_login_sessions)]
LoginSessionReaderDep = Annotated[LoginSessions, Depends(get_login_session_reader)]
"""The same on a database session that cannot write."""
