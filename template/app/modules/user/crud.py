from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from app.modules.common.crud import CRUD

from .models import CurrentUser, User

# Built once: this one runs on every authenticated request.
_users = User.__table__.c
_CURRENT_USER = select(*(_users[name] for name in CurrentUser._fields)).where(
    _users.id == bindparam("user_id"), _users.is_active, _users.deleted_at.is_(None)
)


class UserCRUD(CRUD[User]):
    model = User
    searched = (User.name, User.username, User.email)

    async def get_with_password(self, user_id: UUID) -> User | None:
        return await self.session.scalar(self._with_password().where(User.id == user_id))

    async def get_for_login(self, identifier: str) -> User | None:
        """The account with this username or canonical e-mail address, with its password hash."""
        column = User.email if "@" in identifier else User.username
        return await self.session.scalar(self._with_password().where(column == identifier))

    def _with_password(self) -> Select[User]:
        return self.select().options(undefer(User.hashed_password))


async def get_current_user(session: AsyncSession, user_id: UUID) -> CurrentUser | None:
    """The active account with this id; one indexed query for plain columns."""
    row = (await session.execute(_CURRENT_USER, {"user_id": user_id})).one_or_none()
    return None if row is None else CurrentUser(*row)
