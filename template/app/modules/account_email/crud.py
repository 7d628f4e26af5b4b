from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update

from app.infrastructure.database.affected import affected
from app.infrastructure.database.upsert import upsert
from app.modules.common.crud import CRUD

from .models import EmailToken, Purpose

_tokens = EmailToken.__table__.c


class Redeemed(NamedTuple):
    user_id: UUID
    email: str


class EmailTokenCRUD(CRUD[EmailToken]):
    model = EmailToken

    async def replace(  # noqa: PLR0913 (the columns)
        self,
        *,
        user_id: UUID,
        purpose: Purpose,
        token_hash: str,
        email: str,
        created_at: datetime,
        expires_at: datetime,
    ) -> None:
        """One statement, so that of two at the same moment one is the newest."""
        statement = upsert(self.session, EmailToken.__table__).values(
            user_id=user_id,
            purpose=purpose,
            token_hash=token_hash,
            email=email,
            created_at=created_at,
            expires_at=expires_at,
            used_at=None,
        )
        replaced = ("token_hash", "email", "created_at", "expires_at", "used_at")
        await self.session.execute(
            statement.on_conflict_do_update(
                index_elements=[_tokens.user_id, _tokens.purpose],
                set_={name: statement.excluded[name] for name in replaced},
            )
        )

    async def find_open(self, purpose: Purpose, token_hash: str, now: datetime) -> Redeemed | None:
        statement = select(EmailToken.user_id, EmailToken.email).where(
            *_is_open(now), EmailToken.purpose == purpose, EmailToken.token_hash == token_hash
        )
        row = (await self.session.execute(statement)).one_or_none()
        return None if row is None else Redeemed(*row)

    async def use(self, purpose: Purpose, token_hash: str, now: datetime) -> Redeemed | None:
        """Mark an open token as used; of two at once one wins."""
        statement = (
            update(EmailToken)
            .where(
                *_is_open(now), EmailToken.purpose == purpose, EmailToken.token_hash == token_hash
            )
            .values(used_at=now)
            .returning(EmailToken.user_id, EmailToken.email)
        )
        row = (await self.session.execute(statement)).one_or_none()
        return None if row is None else Redeemed(*row)

    async def void(self, user_id: UUID, purposes: Collection[Purpose]) -> None:
        await self.session.execute(
            delete(EmailToken).where(
                EmailToken.user_id == user_id, EmailToken.purpose.in_(purposes)
            )
        )

    async def open_of(self, user_id: UUID, now: datetime) -> Sequence[EmailToken]:
        statement = self.select().where(*_is_open(now), EmailToken.user_id == user_id)
        return (await self.session.scalars(statement.order_by(EmailToken.purpose))).all()

    async def purge(self, now: datetime) -> int:
        statement = delete(EmailToken).where(EmailToken.expires_at <= now)
        return await affected(self.session, statement)


def _is_open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return EmailToken.used_at.is_(None), EmailToken.expires_at > now
