from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import JsonValue, SecretStr
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.extensions import Extensions
from app.infrastructure.database.after_commit import after_rollback
from app.infrastructure.database.errors import translate_violations
from app.infrastructure.security.context import current_address
from app.infrastructure.security.events import SecurityEvents
from app.infrastructure.security.settings import AuthSettings
from app.modules.common.pagination import PageQuery
from app.modules.throttle.service import Limit

from .accounts import EmailChange
from .crud import UserCRUD
from .errors import (
    EmailTakenError,
    OutrankedError,
    RegistrationClosedError,
    UsernameTakenError,
    UserNotFoundError,
)
from .lookup import forget_caller
from .models import CurrentUser, User
from .password_check import PasswordCheck
from .passwords import check_password
from .permissions import Policy, rank_of
from .privacy import PersonalData
from .schemas import (
    UserAdminRead,
    UserAnonymize,
    UserCreate,
    UserCreateInternal,
    UserUpdate,
    UserUpdateInternal,
)


def _taken() -> Any:  # noqa: ANN401 (a context manager without a name of its own)
    return translate_violations(
        uq_user_account_email=EmailTakenError(), uq_user_account_username=UsernameTakenError()
    )


class UserReader:
    def __init__(self, users: UserCRUD) -> None:
        self.users = users

    async def get(self, user_id: UUID) -> User:
        user = await self.users.get(user_id)
        if user is None:
            raise UserNotFoundError(user_id)
        return user

    async def page(
        self, query: PageQuery, search: str | None, *criteria: ColumnElement[bool]
    ) -> tuple[Sequence[User], int]:
        """Newest first; `criteria` are what another module narrows the list by."""
        statement = self.users.search(self.users.select().where(*criteria), search)
        return await self.users.page(statement, limit=query.items_per_page, offset=query.offset)


class UserService(UserReader):
    def __init__(
        self,
        users: UserCRUD,
        events: SecurityEvents,
        check: PasswordCheck,
        extensions: Extensions,
    ) -> None:
        super().__init__(users)
        self.events = events
        self.check = check
        self.extensions = extensions
        self.email_changes = extensions.of(EmailChange)
        self.personal_data = extensions.of(PersonalData)
        self.policies = extensions.of(Policy)

    async def register(self, data: UserCreate) -> User:
        """For strangers: unless it is switched off, and only so often from one address."""
        settings = self.check.settings
        if not settings.registration_enabled:
            raise RegistrationClosedError
        limit = registration_limit(settings)
        await self.check.throttle.take(limit, current_address())
        return await self.create(data)

    async def create(self, data: UserCreate, *, is_superuser: bool = False) -> User:
        check_password(data.password, data.name, data.username, data.email)
        # Hash first: the session has no connection yet, so none is held meanwhile.
        account = UserCreateInternal(
            **data.model_dump(exclude={"password"}),
            hashed_password=await self.check.passwords.hash(data.password),
            is_superuser=is_superuser,
        )
        return await self.add(account)

    async def add(self, account: UserCreateInternal) -> User:
        """Store an account whose password, if it has one, is hashed already."""
        return await add_account(self.users.session, self.events, account)

    async def update(self, user_id: UUID, data: UserUpdate, *, email: str) -> User:
        """`email` is the present address: another one takes the `current_password`."""
        changes = data.model_dump(exclude={"current_password", "email"})
        if isinstance(data.email, str) and data.email != email:
            # Whoever holds a stolen session must not take the account over through its mailbox.
            given = data.current_password
            await self.check.confirm(user_id, given if isinstance(given, SecretStr) else None)
            for change in self.email_changes:
                await change.admit(self.check.throttle, user_id, data.email)
        user = await self.get(user_id)
        if isinstance(data.email, str) and data.email != email:
            for change in self.email_changes:
                await change.request(self.users.session, user, data.email)
                await self.events.record(self.users.session, "email_change_requested", user_id)
            if not self.email_changes:
                changes |= {"email": data.email, "email_verified": False}
                await self.events.record(self.users.session, "email_changed", user_id)
        forget_caller(self.users.session, self.extensions, user_id)
        with _taken():
            return await self.users.update(user, UserUpdateInternal(**changes).model_dump())

    async def close(self, user_id: UUID) -> None:
        """Nobody can log in to the account any more, and its names are free again."""
        user = await self.get(user_id)
        await self.users.update(user, {"deleted_at": datetime.now(UTC), "is_active": False})
        await self.events.record(self.users.session, "account_closed", user_id)

    async def activate(self, user_id: UUID, *, by: CurrentUser) -> User:
        user = await self.get_managed(user_id, by=by)
        if not user.is_active:
            await self.users.update(user, {"is_active": True})
            await self.events.record(self.users.session, "account_activated", user_id)
        return user

    async def get_managed(self, user_id: UUID, *, by: CurrentUser) -> User:
        """Raises `UserNotFoundError`, and `OutrankedError` if the account is not below `by`."""
        user = await self.get(user_id)
        await self.require_rank(by, user)
        return user

    async def deactivate(self, user_id: UUID, *, by: CurrentUser) -> User:
        user = await self.get_managed(user_id, by=by)
        if user.is_active:
            await self.users.update(user, {"is_active": False})
            await self.events.record(self.users.session, "account_deactivated", user_id)
        return user

    async def anonymize(self, user_id: UUID, *, by: CurrentUser) -> None:
        """Close the account and replace everything that tells whose it was; for good.

        A second time does no harm and finishes what a new feature has stored since.
        """
        user = await self.users.get_erasable(user_id)
        if user is None:
            raise UserNotFoundError(user_id)
        await self.require_rank(by, user)
        blank = UserAnonymize.of(user_id).model_dump()
        deleted_at = user.deleted_at or datetime.now(UTC)
        await self.users.update(user, blank | {"deleted_at": deleted_at})
        for data in self.personal_data:
            await data.erase(self.users.session, user_id)
        await self.events.record(self.users.session, "account_anonymized", user_id)

    async def require_rank(self, by: CurrentUser, user: User) -> None:
        """Raises `OutrankedError` unless `user` is below the one who manages them."""
        if not await self._is_above(by, user):
            after_rollback(self.users.session, partial(self._record_refusal, user.id))
            raise OutrankedError

    async def _is_above(self, by: CurrentUser, user: User) -> bool:
        if by.id == user.id:
            return False
        if by.is_superuser:
            return True
        session = self.users.session
        own = await rank_of(session, self.policies, by.id)
        return not user.is_superuser and await rank_of(session, self.policies, user.id) < own

    async def _record_refusal(self, user_id: UUID) -> None:
        async with self.check.database.transaction() as session:
            await self.events.record(
                session, "unauthorized_access", user_id, is_warning=True, reason="outranked"
            )

    async def export(self, user_id: UUID) -> Mapping[str, JsonValue]:
        """A copy of everything that is stored about a person, by feature."""
        user = await self.get(user_id)
        account = UserAdminRead.model_validate(user).model_dump(mode="json")
        others = {
            data.name: await data.export(self.users.session, user_id) for data in self.personal_data
        }
        await self.events.record(self.users.session, "personal_data_exported", user_id)
        return {"account": account, **others}


async def add_account(
    session: AsyncSession, events: SecurityEvents, account: UserCreateInternal
) -> User:
    """Raises `EmailTakenError` and `UsernameTakenError`."""
    with _taken():
        user = await UserCRUD(session).add(User(**account.model_dump()))
    await events.record(session, "account_registered", user.id, actor_id=user.id)
    return user


def registration_limit(settings: AuthSettings) -> Limit:
    """New accounts from one network address, however they are made."""
    return Limit(name="registration", most=settings.registrations_per_address, window_seconds=3600)


async def find_for_login(session: AsyncSession, identifier: str) -> User | None:
    """The account with this username or canonical e-mail address, with its password hash."""
    return await UserCRUD(session).get_for_login(identifier)


async def lock_user(session: AsyncSession, user_id: UUID) -> bool:
    """Let nobody else change this account, or what counts towards it, before we are done.

    Whether it may be used. SQLite has one writer at a time anyway.
    """
    # Not the key: rows that refer to the account can still be added.
    is_usable = User.is_active & User.deleted_at.is_(None)
    statement = select(is_usable).where(User.id == user_id).with_for_update(key_share=True)
    return bool(await session.scalar(statement))


async def find_user(session: AsyncSession, user_id: UUID) -> User | None:
    return await UserCRUD(session).get(user_id)


async def store_password_hash(session: AsyncSession, user_id: UUID, hashed: str) -> None:
    await session.execute(update(User).where(User.id == user_id).values(hashed_password=hashed))


async def strengthen_password_hash(session: AsyncSession, user: User, better: str) -> None:
    """In place of the hash that was read; a password that was changed meanwhile stays changed."""
    await session.execute(
        update(User)
        .where(User.id == user.id, User.hashed_password == user.hashed_password)
        .values(hashed_password=better)
    )
    user.hashed_password = better


async def may_still_log_in(session: AsyncSession, user_id: UUID, password_hash: str | None) -> bool:
    """Whether the account is open and has this hash, if one is given.

    The row is locked, so that a password change or a deactivation comes either before or after.
    """
    row = (
        await session.execute(
            select(User.hashed_password, User.is_active)
            .where(User.id == user_id, User.deleted_at.is_(None))
            .with_for_update()
        )
    ).one_or_none()
    return row is not None and row.is_active and password_hash in {None, row.hashed_password}


async def store_email(session: AsyncSession, user: User, email: str, *, is_verified: bool) -> None:
    """Raises `EmailTakenError`."""
    with _taken():
        await UserCRUD(session).update(user, {"email": email, "email_verified": is_verified})
