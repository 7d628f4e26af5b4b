from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import undefer

from app.modules.common.crud import CRUD

from .models import User


class UserCRUD(CRUD[User]):
    model = User
    searched = (User.name, User.username, User.email)

    async def get_with_password(self, user_id: UUID) -> User | None:
        return await self.session.scalar(self._with_password().where(User.id == user_id))

    async def get_erasable(self, user_id: UUID) -> User | None:
        """A closed account too."""
        return await self.session.get(User, user_id)

    async def get_for_login(self, identifier: str) -> User | None:
        """The account with this username or canonical e-mail address, with its password hash."""
        column = User.email if "@" in identifier else User.username
        return await self.session.scalar(self._with_password().where(column == identifier))

    def _with_password(self) -> Select[User]:
        return self.select().options(undefer(User.hashed_password))
