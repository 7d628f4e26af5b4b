from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.database import Database
from app.infrastructure.database.errors import translate_violations
from app.infrastructure.security.context import current_address
from app.infrastructure.security.events import SecurityEvents
from app.infrastructure.security.settings import AuthSettings
from app.modules.auth.sessions import LoginSessions
from app.modules.throttle.service import Throttle
from app.modules.user.errors import EmailTakenError, RegistrationClosedError, UsernameTakenError
from app.modules.user.models import User
from app.modules.user.schemas import UserCreateInternal
from app.modules.user.service import (
    add_account,
    find_for_login,
    find_user,
    registration_limit,
)

from .crud import OAuthAccountCRUD
from .errors import (
    AccountClosedError,
    AccountExistsError,
    IdentityTakenError,
    LastCredentialError,
    LinkedAccountNotFoundError,
    LoginNotBegunError,
    ProviderTakenError,
    UnverifiedEmailError,
)
from .models import OAuthAccount
from .naming import another_username, name_of, username_of
from .providers import Identity


def _taken() -> Any:  # noqa: ANN401 (a context manager without a name of its own)
    return translate_violations(
        uq_oauth_account_provider_subject=IdentityTakenError(),
        uq_oauth_account_user_id_provider=ProviderTakenError(),
    )


class LinkedAccounts:
    """Those of one who is logged in."""

    def __init__(
        self, accounts: OAuthAccountCRUD, events: SecurityEvents, providers: Collection[str]
    ) -> None:
        self.accounts = accounts
        self.events = events
        self.providers = providers

    async def of(self, user_id: UUID) -> Sequence[OAuthAccount]:
        return await self.accounts.of(user_id)

    async def unlink(self, user_id: UUID, account_id: UUID) -> None:
        """Raises `LastCredentialError` where nothing else would open the account.

        A provider that is no longer configured opens nothing.
        """
        has_password = await self.accounts.has_password(user_id)
        linked = {item.id: item for item in await self.accounts.of(user_id)}
        if (gone := linked.pop(account_id, None)) is None:
            raise LinkedAccountNotFoundError(account_id)
        if not has_password and not any(it.provider in self.providers for it in linked.values()):
            raise LastCredentialError
        await self.accounts.delete(account_id)
        await self.events.record(
            self.accounts.session, "oauth_unlinked", user_id, provider=gone.provider
        )


@dataclass(frozen=True, slots=True)
class OAuthService:
    """Decides whose account somebody at a provider may open.

    It opens transactions of its own, so that no connection is held while providers are asked.
    """

    database: Database
    events: SecurityEvents
    throttle: Throttle
    settings: AuthSettings

    async def log_in(self, provider: str, identity: Identity) -> UUID:
        """The account of an identity, which is made or linked where the rules allow it."""
        await self._throttle_newcomer(provider, identity)
        # The same person at the same moment in other tabs: the first of these errors means that by
        # now the account is there, the second one that it is linked.
        for _ in (EmailTakenError, IdentityTakenError):
            with suppress(EmailTakenError, IdentityTakenError):
                return await self._log_in(provider, identity)
        return await self._log_in(provider, identity)

    async def link(
        self, provider: str, identity: Identity, user_id: UUID, session_id: UUID
    ) -> OAuthAccount:
        """Raises `LoginNotBegunError` if the login that asked for it is over."""
        async with self.database.transaction() as session:
            user = await find_user(session, user_id)
            sessions = LoginSessions(session, self.events, self.settings)
            live = {item.id for item in await sessions.live_of(user_id)}
            if user is None or not user.is_active or session_id not in live:
                raise LoginNotBegunError
            if (found := await self._find(session, provider, identity)) is None:
                return await self._link(session, provider, identity, user, by="session")
            account, owner = found
            if owner.id != user_id:
                raise IdentityTakenError
            return account

    async def _throttle_newcomer(self, provider: str, identity: Identity) -> None:
        """New accounts count like those that are registered with a password."""
        async with self.database.reading() as session:
            if identity.email is None or await find_for_login(session, identity.email):
                return
            if await OAuthAccountCRUD(session).find(provider, identity.subject):
                return
        limit = registration_limit(self.settings)
        await self.throttle.take(limit, current_address())

    async def _log_in(self, provider: str, identity: Identity) -> UUID:
        async with self.database.transaction() as session:
            if (found := await self._find(session, provider, identity)) is None:
                user, by = await self._owner(session, identity)
                found = await self._link(session, provider, identity, user, by=by), user
            account, user = found
            if not user.is_active:
                raise AccountClosedError(user.id)
            account.last_login_at = datetime.now(UTC)
            return user.id

    async def _find(
        self, session: AsyncSession, provider: str, identity: Identity
    ) -> tuple[OAuthAccount, User] | None:
        accounts = OAuthAccountCRUD(session)
        account = await accounts.find(provider, identity.subject)
        if account is None:
            return None
        if (user := await find_user(session, account.user_id)) is not None:
            return account, user
        # Its owner has closed the account, which frees this like its names.
        await accounts.delete(account.id)
        return None

    async def _owner(self, session: AsyncSession, identity: Identity) -> tuple[User, str]:
        """Whose address it is, and how that is known.

        Both sides must have checked the address: else whoever registers somebody else's, there or
        here, would get into their account or have them in his.
        """
        if identity.email is None:
            raise UnverifiedEmailError
        user = await find_for_login(session, identity.email)
        if user is None:
            return await self._register(session, identity, identity.email), "registration"
        if user.is_active and not user.email_verified:
            raise AccountExistsError(user.id)
        return user, "email"

    async def _register(self, session: AsyncSession, identity: Identity, email: str) -> User:
        if not self.settings.registration_enabled:
            raise RegistrationClosedError
        username = username_of(identity)
        account = UserCreateInternal(
            name=name_of(identity, username),
            username=username,
            email=email,
            email_verified=True,
            hashed_password=None,
        )
        try:
            async with session.begin_nested():
                return await add_account(session, self.events, account)
        except UsernameTakenError:
            other = account.model_copy(update={"username": another_username(username)})
            return await add_account(session, self.events, other)

    async def _link(
        self, session: AsyncSession, provider: str, identity: Identity, user: User, *, by: str
    ) -> OAuthAccount:
        with _taken():
            account = await OAuthAccountCRUD(session).add(
                OAuthAccount(
                    user_id=user.id,
                    provider=provider,
                    subject=identity.subject,
                    email=identity.email,
                )
            )
        await self.events.record(
            session, "oauth_linked", user.id, actor_id=user.id, provider=provider, by=by
        )
        return account
