import re
from functools import reduce
from http import HTTPStatus
from operator import or_
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel
from starlette.responses import RedirectResponse

from app.core.extensions import Extensions
from app.core.routing import PrefixRouter
from app.infrastructure.database.errors import DatabaseBusyError, DatabaseUnreachableError
from app.modules.auth.dependencies import LoginFlowDep
from app.modules.auth.flow import LoginFlow
from app.modules.auth.steps import Grant, Login
from app.modules.auth.tokens import TokenGrant
from app.modules.common.problems import raises
from app.modules.throttle.errors import TooManyAttemptsError
from app.modules.user.dependencies import CallerDep, RecentCallerDep
from app.modules.user.errors import (
    EmailTakenError,
    InsufficientScopeError,
    NotAuthenticatedError,
    RecentLoginRequiredError,
    RegistrationClosedError,
)

from .dependencies import (
    LinkedAccountReaderDep,
    LinkedAccountsDep,
    LoginCookieDep,
    OAuthFlowDep,
    ProvidersDep,
)
from .errors import (
    AccountClosedError,
    AccountExistsError,
    IdentityRefusedError,
    IdentityTakenError,
    LastCredentialError,
    LinkedAccountNotFoundError,
    LoginDeclinedError,
    LoginNotBegunError,
    ProviderTakenError,
    ProviderUnavailableError,
    UnknownProviderError,
    UnverifiedEmailError,
)
from .flow import LoggedIn, Wish
from .models import OAuthAccount
from .providers import Provider
from .schemas import Callback, LinkBegun, LinkedAccountRead, LocalPath, ProviderRead

_DATABASE = (DatabaseBusyError, DatabaseUnreachableError)
_GUARDED = (NotAuthenticatedError, InsufficientScopeError)
_BEGINNING = (*_DATABASE, ProviderUnavailableError, UnknownProviderError, TooManyAttemptsError)
_ELSEWHERE: dict[int | str, dict[str, Any]] = {
    HTTPStatus.SEE_OTHER: {
        "description": "Go on there",
        "headers": {"Location": {"schema": {"type": "string"}}},
    }
}

router = PrefixRouter(prefix="/oauth", tags=["oauth"])


@router.get("/providers", response_model=list[ProviderRead])
async def list_providers(providers: ProvidersDep) -> list[Provider]:
    """List whom one can log in with, for login pages."""
    return list(providers.values())


@router.get(
    "/accounts",
    response_model=list[LinkedAccountRead],
    responses=raises(*_DATABASE, *_GUARDED),
)
async def list_linked_accounts(
    accounts: LinkedAccountReaderDep, caller: CallerDep
) -> list[OAuthAccount]:
    """List who may log in to your account, newest first; at most one for each provider."""
    return list(await accounts.of(caller.user.id))


@router.delete(
    "/accounts/{account_id:uuid}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=raises(
        *_DATABASE,
        *_GUARDED,
        RecentLoginRequiredError,
        LinkedAccountNotFoundError,
        LastCredentialError,
    ),
)
async def unlink_account(
    accounts: LinkedAccountsDep, caller: RecentCallerDep, account_id: UUID
) -> None:
    """Let somebody at a provider log in no more; your sessions go on."""
    await accounts.unlink(caller.user.id, account_id)


@router.post(
    "/{provider}/link",
    responses=raises(*_GUARDED, RecentLoginRequiredError, *_BEGINNING),
)
async def begin_linking(
    caller: RecentCallerDep,
    flow: OAuthFlowDep,
    cookie: LoginCookieDep,
    response: Response,
    next_path: Annotated[LocalPath | None, Query(alias="next")] = None,
) -> LinkBegun:
    """Begin to link a provider to your account: send this browser to the address in the answer.

    The callback then answers with the link, or with a redirect to `next` if it is given.
    """
    wish = Wish(
        next_path=next_path,
        grant=TokenGrant.name,
        user_id=caller.user.id,
        session_id=caller.session_id,
    )
    begun = await flow.begin(cookie.redirect_uri(flow.provider.name), wish)
    cookie.keep(response, begun.secret)
    return LinkBegun(authorization_url=begun.authorization_url)


def login_router(extensions: Extensions) -> APIRouter:
    """What depends on the forms in which a login can be handed out."""
    router = PrefixRouter(prefix="/oauth", tags=["oauth"])
    grants = {it.name: it.schema for it in extensions.of(Grant) if it.is_for_clients}
    pattern = f"^({'|'.join(re.escape(name) for name in grants)})$"
    bodies: list[Any] = [*dict.fromkeys(grants.values()), LinkedAccountRead]

    @router.get(
        "/{provider}/authorize",
        status_code=HTTPStatus.SEE_OTHER,
        response_class=RedirectResponse,
        responses=_ELSEWHERE | raises(*_BEGINNING),
    )
    async def begin_login(
        flow: OAuthFlowDep,
        cookie: LoginCookieDep,
        next_path: Annotated[LocalPath, Query(alias="next")] = "/",
        grant: Annotated[
            str, Query(pattern=pattern, json_schema_extra={"enum": [*grants]})
        ] = TokenGrant.name,
    ) -> RedirectResponse:
        """Send the browser to a provider, to log in there. `grant` is the form to be handed out."""
        wish = Wish(next_path=next_path, grant=grant)
        begun = await flow.begin(cookie.redirect_uri(flow.provider.name), wish)
        response = _redirect(begun.authorization_url)
        cookie.keep(response, begun.secret)
        return response

    @router.get(
        "/{provider}/callback",
        response_model=reduce(or_, bodies),
        response_model_exclude_none=True,
        responses=_ELSEWHERE
        | raises(
            *_BEGINNING,
            LoginNotBegunError,
            LoginDeclinedError,
            IdentityRefusedError,
            UnverifiedEmailError,
            AccountClosedError,
            RegistrationClosedError,
            AccountExistsError,
            IdentityTakenError,
            ProviderTakenError,
            EmailTakenError,
        ),
    )
    async def finish_login(
        flow: OAuthFlowDep,
        logins: LoginFlowDep,
        cookie: LoginCookieDep,
        response: Response,
        callback: Annotated[Callback, Query()],
    ) -> Any:  # noqa: ANN401 (one of `bodies`, or a redirect)
        """Take the browser back from a provider, to log it in or to link the account.

        A login in cookies goes on to `next`, any other is in the answer.
        """
        finished = await flow.finish(callback, cookie.secret)
        if isinstance(finished, LoggedIn):
            return await _hand_out(logins, finished, cookie, response)
        cookie.forget(response)
        if finished.next_path is None:
            return finished.account
        redirect = _redirect(finished.next_path)
        cookie.forget(redirect)
        return redirect

    return router


async def _hand_out(
    logins: LoginFlow, finished: LoggedIn, cookie: LoginCookieDep, response: Response
) -> BaseModel | Response:
    redirect = _redirect(finished.next_path)
    login = Login(user_id=finished.user_id, methods=frozenset({"fed"}), grant=finished.grant)
    body = await logins.complete(login, redirect)
    # What is in cookies does not belong into a body as well, where scripts could read it.
    has_cookies = "set-cookie" in redirect.headers
    cookie.forget(redirect if has_cookies else response)
    return redirect if has_cookies else body


def _redirect(url: str) -> RedirectResponse:
    return RedirectResponse(url, int(HTTPStatus.SEE_OTHER))
