from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.infrastructure.database.session import DatabaseDep, ReadSessionDep, SessionDep
from app.infrastructure.security.dependencies import AuthSettingsDep, SecurityEventsDep
from app.modules.auth.dependencies import LoginSessionReaderDep, LoginSessionsDep
from app.modules.user.authentication import Caller
from app.modules.user.dependencies import RecentCallerDep, ThrottleDep

from .check import CodeCheck
from .errors import StepUpRequiredError
from .factor import SecondFactor
from .service import TwoFactorService


async def get_second_factor(connection: HTTPConnection) -> SecondFactor:
    return cast("SecondFactor", connection.state.two_factor)


SecondFactorDep = Annotated[SecondFactor, Depends(get_second_factor)]


async def get_two_factor_service(
    session: SessionDep,
    factor: SecondFactorDep,
    sessions: LoginSessionsDep,
    events: SecurityEventsDep,
) -> TwoFactorService:
    return TwoFactorService(session, factor, sessions, events)


async def get_two_factor_reader(
    session: ReadSessionDep,
    factor: SecondFactorDep,
    sessions: LoginSessionReaderDep,
    events: SecurityEventsDep,
) -> TwoFactorService:
    return TwoFactorService(session, factor, sessions, events)


async def get_code_check(
    database: DatabaseDep,
    throttle: ThrottleDep,
    events: SecurityEventsDep,
    factor: SecondFactorDep,
    settings: AuthSettingsDep,
) -> CodeCheck:
    return CodeCheck(database, throttle, events, factor, settings)


TwoFactorServiceDep = Annotated[TwoFactorService, Depends(get_two_factor_service)]
TwoFactorReaderDep = Annotated[TwoFactorService, Depends(get_two_factor_reader)]
"""The same service on a session that cannot write."""
CodeCheckDep = Annotated[CodeCheck, Depends(get_code_check)]


async def require_two_factor_caller(caller: RecentCallerDep, check: CodeCheckDep) -> Caller:
    # The account's too: a session remembers a factor that has since been switched off.
    if "otp" not in caller.methods or not await check.is_active(caller.user.id):
        raise StepUpRequiredError
    return caller


TwoFactorCallerDep = Annotated[Caller, Depends(require_two_factor_caller)]
"""Step-up for routes of your own: a recent login in which the second factor took part.

Beside what `RecentCallerDep` raises, declare `StepUpRequiredError`.
"""
