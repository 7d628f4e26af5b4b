from collections.abc import Mapping
from typing import Annotated, cast

from fastapi import Depends, Response
from starlette.requests import HTTPConnection

from app.core.late import Late
from app.infrastructure.database.session import DatabaseDep, ReadSessionDep, SessionDep
from app.infrastructure.security.dependencies import AuthSettingsDep, SecurityEventsDep
from app.modules.user.dependencies import ThrottleDep

from .crud import OAuthAccountCRUD
from .errors import UnknownProviderError
from .flow import OAuthFlow
from .providers import Provider
from .service import LinkedAccounts, OAuthService
from .settings import PROVIDER_PLACE, OAuthSettings


class LoginCookie:
    """Keeps in the browser what only the one that began a login may have."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection
        self._settings = settings_of(connection)

    def redirect_uri(self, provider: str) -> str:
        """Where the provider is to send the browser back to."""
        if (fixed := self._settings.redirect_url) is not None:
            return fixed.replace(PROVIDER_PLACE, provider)
        return str(self._connection.url_for("finish_login", provider=provider))

    @property
    def _is_secure(self) -> bool:
        # Behind a proxy that ends TLS, ours is the only address known to be right.
        url = self._settings.redirect_url or str(self._connection.url)
        return url.startswith("https://")

    @property
    def _name(self) -> str:
        # Browsers take the prefix from this very host alone, over HTTPS alone.
        return "__Host-oauth" if self._is_secure else "oauth"

    @property
    def secret(self) -> str | None:
        return self._connection.cookies.get(self._name)

    def keep(self, response: Response, secret: str) -> None:
        response.set_cookie(
            self._name,
            secret,
            max_age=self._settings.login_ttl_seconds,
            path="/",
            secure=self._is_secure,
            httponly=True,
            # Not `strict`: the way back comes from the provider's site.
            samesite="lax",
        )

    def forget(self, response: Response) -> None:
        response.delete_cookie(
            self._name, path="/", secure=self._is_secure, httponly=True, samesite="lax"
        )


def settings_of(connection: HTTPConnection) -> OAuthSettings:
    return cast("OAuthSettings", connection.state.oauth_settings)


def providers_of(connection: HTTPConnection) -> Mapping[str, Provider]:
    return cast("Late[Mapping[str, Provider]]", connection.state.oauth_providers)()


async def get_providers(connection: HTTPConnection) -> Mapping[str, Provider]:
    return providers_of(connection)


async def get_login_cookie(connection: HTTPConnection) -> LoginCookie:
    return LoginCookie(connection)


async def get_oauth_service(
    database: DatabaseDep,
    events: SecurityEventsDep,
    throttle: ThrottleDep,
    settings: AuthSettingsDep,
) -> OAuthService:
    return OAuthService(database, events, throttle, settings)


async def get_oauth_flow(
    connection: HTTPConnection,
    service: Annotated[OAuthService, Depends(get_oauth_service)],
    provider: str,
) -> OAuthFlow:
    """With the provider that the path names. Raises `UnknownProviderError`."""
    if (known := providers_of(connection).get(provider)) is None:
        raise UnknownProviderError
    return OAuthFlow(known, service, settings_of(connection))


ProvidersDep = Annotated[Mapping[str, Provider], Depends(get_providers)]


async def get_linked_accounts(
    session: SessionDep, events: SecurityEventsDep, providers: ProvidersDep
) -> LinkedAccounts:
    return LinkedAccounts(OAuthAccountCRUD(session), events, providers)


async def get_linked_account_reader(
    session: ReadSessionDep, events: SecurityEventsDep, providers: ProvidersDep
) -> LinkedAccounts:
    return LinkedAccounts(OAuthAccountCRUD(session), events, providers)


LoginCookieDep = Annotated[LoginCookie, Depends(get_login_cookie)]
OAuthFlowDep = Annotated[OAuthFlow, Depends(get_oauth_flow)]
LinkedAccountsDep = Annotated[LinkedAccounts, Depends(get_linked_accounts)]
LinkedAccountReaderDep = Annotated[LinkedAccounts, Depends(get_linked_account_reader)]
"""The same on a database session that cannot write."""
