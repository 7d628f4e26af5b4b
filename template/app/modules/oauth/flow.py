"""From the button on a login page to the provider, and back."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.core.errors import ConflictError, ForbiddenError
from app.infrastructure.security.context import current_address
from app.infrastructure.security.keys import new_token, token_hash
from app.modules.auth.service import address_limit
from app.modules.throttle.service import Limit

from .crud import OAuthLoginCRUD
from .errors import (
    AccountClosedError,
    AccountExistsError,
    IdentityRefusedError,
    LoginDeclinedError,
    LoginNotBegunError,
    ProviderUnavailableError,
)
from .models import OAuthAccount, OAuthLogin
from .providers import Attempt, Provider
from .schemas import Callback
from .service import OAuthService
from .settings import OAuthSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to come of a login: with a user and their session, a link."""

    next_path: str | None
    grant: str
    user_id: UUID | None = None
    session_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    authorization_url: str
    secret: str
    """For the browser that began it to keep, and for nobody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    user_id: UUID
    grant: str
    next_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    account: OAuthAccount
    next_path: str | None


@dataclass(frozen=True, slots=True)
class OAuthFlow:
    """What must survive a refusal is stored in short transactions of its own.

    While the provider is asked none is open.
    """

    provider: Provider
    service: OAuthService
    settings: OAuthSettings

    async def begin(self, redirect_uri: str, wish: Wish) -> Begun:
        """Remember where a login leaves from; the way back counts in the same browser alone."""
        ttl = self.settings.login_ttl_seconds
        limit = Limit(name="oauth-start", most=self.settings.starts_per_address, window_seconds=ttl)
        await self.service.throttle.take(limit, _address())
        attempt = Attempt(redirect_uri, state=new_token(), secret=new_token())
        url = await self.provider.authorization_url(attempt)
        async with self.service.database.transaction() as session:
            await OAuthLoginCRUD(session).add(
                OAuthLogin(
                    state_hash=token_hash(attempt.state),
                    browser_hash=token_hash(attempt.secret),
                    provider=self.provider.name,
                    redirect_uri=redirect_uri,
                    next_path=wish.next_path,
                    grant_name=wish.grant,
                    user_id=wish.user_id,
                    session_id=wish.session_id,
                    expires_at=datetime.now(UTC) + timedelta(seconds=ttl),
                )
            )
        return Begun(url, attempt.secret)

    async def finish(self, callback: Callback, secret: str | None) -> LoggedIn | Linked:
        """Refusals are recorded, and count against the network address like wrong passwords."""
        limit = address_limit(self.service.settings)
        await self.service.throttle.take(limit, _address())
        try:
            finished = await self._finish(callback, secret or "")
        except (ForbiddenError, ConflictError) as error:
            await self._record(error)
            raise
        except ProviderUnavailableError:
            await self.service.throttle.give_back(limit, _address())
            raise
        await self.service.throttle.give_back(limit, _address())
        return finished

    async def _finish(self, callback: Callback, secret: str) -> LoggedIn | Linked:
        begun = await self._claim(callback.state, secret)
        await self.provider.check_issuer(callback.iss)
        if callback.error is not None:
            raise self.provider.error(callback.error)
        if callback.code is None:
            raise LoginDeclinedError
        attempt = Attempt(begun.redirect_uri, state=callback.state, secret=secret)
        identity = await self.provider.identify(callback.code, attempt)
        name = self.provider.name
        if begun.user_id is not None and begun.session_id is not None:
            account = await self.service.link(name, identity, begun.user_id, begun.session_id)
            return Linked(account=account, next_path=begun.next_path)
        user_id = await self.service.log_in(name, identity)
        return LoggedIn(user_id=user_id, grant=begun.grant_name, next_path=begun.next_path or "/")

    async def _claim(self, state: str, secret: str) -> OAuthLogin:
        # Committed before anything else is looked at: whatever comes of it, it was its only use.
        async with self.service.database.transaction() as session:
            begun = await OAuthLoginCRUD(session).claim(
                provider=self.provider.name,
                state_hash=token_hash(state),
                browser_hash=token_hash(secret),
                now=datetime.now(UTC),
            )
        if begun is None:
            raise LoginNotBegunError
        return begun

    async def _record(self, error: ForbiddenError | ConflictError) -> None:
        known = (AccountClosedError, AccountExistsError)
        user_id = error.user_id if isinstance(error, known) else None
        reason = error.cause if isinstance(error, IdentityRefusedError) else error.code
        async with self.service.database.transaction() as session:
            await self.service.events.record(
                session,
                "oauth_login_refused",
                user_id,
                is_warning=True,
                provider=self.provider.name,
                reason=reason,
            )


def _address() -> str:
    return current_address()
