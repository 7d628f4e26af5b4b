from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel

from app.core.extensions import Extensions
from app.core.routing import PrefixRouter
from app.infrastructure.database.errors import DatabaseBusyError, DatabaseUnreachableError
from app.modules.auth.dependencies import LoginFlowDep
from app.modules.auth.steps import Grant
from app.modules.common.problems import raises
from app.modules.throttle.errors import TooManyAttemptsError
from app.modules.user.dependencies import CallerDep, RecentCallerDep, UserServiceDep, requires
from app.modules.user.errors import (
    InsufficientScopeError,
    NotAuthenticatedError,
    OutrankedError,
    RecentLoginRequiredError,
    UserNotFoundError,
)
from app.modules.user.models import CurrentUser

from .dependencies import CodeCheckDep, TwoFactorReaderDep, TwoFactorServiceDep
from .errors import AlreadyActiveError, NotActiveError, TwoFactorRefusedError, WrongCodeError
from .permissions import RESET_TWO_FACTOR
from .schemas import (
    ActivationRequest,
    ChallengeAnswer,
    CodeRequest,
    EnrolmentRead,
    RecoveryCodesRead,
    TwoFactorRead,
)

_DATABASE = raises(DatabaseBusyError, DatabaseUnreachableError)
_GUARDED = (NotAuthenticatedError, InsufficientScopeError)
_RECENT = (*_GUARDED, RecentLoginRequiredError)
_CHECKED = (WrongCodeError, TooManyAttemptsError)

router = PrefixRouter(prefix="/two-factor", tags=["two-factor"], responses=_DATABASE)
user_router = PrefixRouter(prefix="/users", tags=["users"], responses=_DATABASE)


@router.get("", responses=raises(*_GUARDED))
async def read_two_factor(two_factor: TwoFactorReaderDep, caller: CallerDep) -> TwoFactorRead:
    """See whether you have a second factor, and how many recovery codes are left."""
    return await two_factor.read(caller.user.id)


@router.post("/enrol", responses=raises(*_RECENT, AlreadyActiveError))
async def enrol_two_factor(
    caller: RecentCallerDep, two_factor: TwoFactorServiceDep
) -> EnrolmentRead:
    """Get a secret for an authenticator app. It counts once `activate` has seen a code of it."""
    return await two_factor.enrol(caller.user)


@router.post("/activate", responses=raises(*_RECENT, *_CHECKED, NotActiveError, AlreadyActiveError))
async def activate_two_factor(
    caller: RecentCallerDep, check: CodeCheckDep, data: ActivationRequest
) -> RecoveryCodesRead:
    """Switch the second factor on with a code of the app. All your other logins end.

    Keep the recovery codes where the phone is not: each is good for one login without it.
    """
    codes = await check.activate(caller.user.id, data.code, keep=caller.session_id)
    return RecoveryCodesRead(recovery_codes=codes)


@router.post("/confirm", status_code=HTTPStatus.NO_CONTENT, responses=raises(*_GUARDED, *_CHECKED))
async def confirm_two_factor(
    flow: LoginFlowDep,
    check: CodeCheckDep,
    caller: CallerDep,
    data: ChallengeAnswer,
    response: Response,
) -> None:
    """Prove again who you are: the second half of `auth/confirm`, which gives the challenge."""
    login = await check.confirm_again(caller.user.id, data.challenge, data.code)
    if caller.session_id is not None:
        await flow.confirm(login, caller.session_id, response)


@router.post("/recovery-codes", responses=raises(*_RECENT, *_CHECKED, NotActiveError))
async def renew_recovery_codes(
    caller: RecentCallerDep,
    check: CodeCheckDep,
    two_factor: TwoFactorServiceDep,
    data: ActivationRequest,
) -> RecoveryCodesRead:
    """Get new recovery codes; the earlier ones count no more."""
    await check.confirm(caller.user.id, data.code)
    codes = await two_factor.renew_recovery_codes(caller.user.id)
    return RecoveryCodesRead(recovery_codes=codes)


@router.delete(
    "",
    status_code=HTTPStatus.NO_CONTENT,
    responses=raises(*_RECENT, *_CHECKED, NotActiveError),
)
async def disable_two_factor(
    caller: RecentCallerDep,
    check: CodeCheckDep,
    two_factor: TwoFactorServiceDep,
    data: CodeRequest,
) -> None:
    """Switch the second factor off, with a code or a recovery code. All your other logins end."""
    await check.confirm(caller.user.id, data.code)
    await two_factor.disable(caller.user.id, keep=caller.session_id)


@user_router.delete(
    "/{user_id:uuid}/two-factor",
    status_code=HTTPStatus.NO_CONTENT,
    responses=raises(*_GUARDED, UserNotFoundError, OutrankedError),
)
async def reset_two_factor(
    caller: Annotated[CurrentUser, requires(RESET_TWO_FACTOR)],
    users: UserServiceDep,
    two_factor: TwoFactorServiceDep,
    user_id: UUID,
) -> None:
    """Take the second factor off the account of somebody who has lost it. All their logins end.

    Make sure before that it is the person who asks, as surely as when the account was made.
    """
    await two_factor.reset_managed(users, user_id, by=caller)


def login_router(extensions: Extensions) -> APIRouter:
    """The second half of a login, in each form in which one can be handed out."""
    router = PrefixRouter(prefix="/auth", tags=["auth"], responses=_DATABASE)
    for grant in extensions.of(Grant):
        if grant.is_for_clients:
            _add_completion(router, grant)
    return router


def _add_completion(login_router: APIRouter, grant: Grant) -> None:
    @login_router.post(
        f"/{grant.name}/two-factor",
        name=f"complete_{grant.name.replace('-', '_')}_login",
        response_model=grant.schema,
        response_model_exclude_none=True,
        responses=raises(TwoFactorRefusedError, TooManyAttemptsError),
    )
    async def complete_login(
        flow: LoginFlowDep, check: CodeCheckDep, data: ChallengeAnswer, response: Response
    ) -> BaseModel:
        """Complete a login that was answered with `two_factor.required`."""
        login = await check.redeem(grant.name, data.challenge, data.code)
        return await flow.complete(login, response)
