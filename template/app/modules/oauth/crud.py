from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select

from app.infrastructure.database.affected import affected
from app.modules.common.crud import CRUD
from app.modules.user.models import User

from .models import OAuthAccount, OAuthLogin


class OAuthAccountCRUD(CRUD[OAuthAccount]):
    model = OAuthAccount

    async def find(self, provider: str, subject: str) -> OAuthAccount | None:
        return await self.session.scalar(
            self.select().where(OAuthAccount.provider == provider, OAuthAccount.subject == subject)
        )

    async def of(self, user_id: UUID) -> Sequence[OAuthAccount]:
        """Newest first; never more than there are providers."""
        statement = self.select().where(OAuthAccount.user_id == user_id)
        return (await self.session.scalars(statement.order_by(OAuthAccount.id.desc()))).all()

    async def has_password(self, user_id: UUID) -> bool:
        """Lock the account until the transaction ends: of two changes the second one waits."""
        statement = select(User.hashed_password.is_not(None)).where(User.id == user_id)
        return bool(await self.session.scalar(statement.with_for_update()))

    async def delete(self, record_id: UUID) -> None:
        await self.session.execute(delete(OAuthAccount).where(OAuthAccount.id == record_id))

    async def delete_of(self, user_id: UUID) -> None:
        await self.session.execute(delete(OAuthAccount).where(OAuthAccount.user_id == user_id))


class OAuthLoginCRUD(CRUD[OAuthLogin]):
    model = OAuthLogin

    async def claim(
        self, *, provider: str, state_hash: str, browser_hash: str, now: datetime
    ) -> OAuthLogin | None:
        """Take a login out of the table; of two at once one gets it."""
        statement = (
            delete(OAuthLogin)
            .where(
                OAuthLogin.state_hash == state_hash,
                OAuthLogin.browser_hash == browser_hash,
                OAuthLogin.provider == provider,
                OAuthLogin.expires_at > now,
            )
            .returning(OAuthLogin)
        )
        return await self.session.scalar(statement)

    async def purge(self, now: datetime) -> int:
        statement = delete(OAuthLogin).where(OAuthLogin.expires_at <= now)
        return await affected(self.session, statement)

    async def delete_of(self, user_id: UUID) -> None:
        await self.session.execute(delete(OAuthLogin).where(OAuthLogin.user_id == user_id))
