from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.errors import translate_violations
from app.infrastructure.security.passwords import PasswordHasher
from app.modules.common.pagination import PageQuery

from .crud import UserCRUD
from .errors import EmailTakenError, UsernameTakenError, UserNotFoundError, WrongPasswordError
from .models import User
from .schemas import (
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


class UserService:
    def __init__(self, users: UserCRUD, passwords: PasswordHasher) -> None:
        self.users = users
        self.passwords = passwords

    async def get(self, user_id: UUID) -> User:
        user = await self.users.get(user_id)
        if user is None:
            raise UserNotFoundError(user_id)
        return user

    async def page(self, query: PageQuery, search: str | None) -> tuple[Sequence[User], int]:
        statement = self.users.search(self.users.select(), search)
        return await self.users.page(statement, limit=query.items_per_page, offset=query.offset)

    async def register(self, data: UserCreate, *, is_superuser: bool = False) -> User:
        # Hash first: the session has no connection yet, so none is held meanwhile.
        account = UserCreateInternal(
            **data.model_dump(exclude={"password"}),
            hashed_password=await self.passwords.hash(data.password),
            is_superuser=is_superuser,
        )
        with _taken():
            return await self.users.add(User(**account.model_dump()))

    async def update(self, user_id: UUID, data: UserUpdate) -> User:
        user = await self.users.get_with_password(user_id)
        if user is None:
            raise UserNotFoundError(user_id)
        changes = UserUpdateInternal(**data.model_dump(exclude={"current_password"}))
        if changes.model_dump().get("email", user.email) != user.email:
            # Whoever holds a stolen session must not take the account over through its mailbox.
            await self._confirm_password(user, data)
            changes = changes.model_copy(update={"email_verified": False})
        with _taken():
            return await self.users.update(user, changes.model_dump())

    async def _confirm_password(self, user: User, data: UserUpdate) -> None:
        given = data.current_password
        if not isinstance(given, SecretStr):
            raise WrongPasswordError
        is_right, _ = await self.passwords.verify(given, user.hashed_password)
        if not is_right:
            raise WrongPasswordError

    async def delete(self, user_id: UUID) -> None:
        """Close the account: nobody can log in to it, and its names are free again."""
        user = await self.get(user_id)
        await self.users.update(user, {"deleted_at": datetime.now(UTC), "is_active": False})

    async def anonymize(self, user_id: UUID) -> None:
        """Close the account and replace everything that tells whose it was; for good."""
        user = await self.get(user_id)
        blank = UserAnonymize.of(user_id).model_dump()
        await self.users.update(user, blank | {"deleted_at": datetime.now(UTC)})


async def find_for_login(session: AsyncSession, identifier: str) -> User | None:
    """The account with this username or canonical e-mail address, with its password hash."""
    return await UserCRUD(session).get_for_login(identifier)


async def store_password_hash(session: AsyncSession, user_id: UUID, hashed: str) -> None:
    await session.execute(update(User).where(User.id == user_id).values(hashed_password=hashed))
