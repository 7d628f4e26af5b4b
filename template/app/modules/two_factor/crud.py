from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update

from app.infrastructure.database.affected import affected
from app.infrastructure.database.upsert import upsert
from app.modules.common.crud import CRUD

from .models import RecoveryCode, TotpDevice, UsedChallenge

_devices = TotpDevice.__table__.c


class TotpDeviceCRUD(CRUD[TotpDevice]):
    model = TotpDevice

    async def of(self, user_id: UUID) -> TotpDevice | None:
        """One that is not active yet too."""
        return await self.session.scalar(self.select().where(TotpDevice.user_id == user_id))

    async def active_of(self, user_id: UUID) -> TotpDevice | None:
        device = await self.of(user_id)
        return device if device is not None and device.confirmed_at is not None else None

    async def enrol(self, user_id: UUID, encrypted_secret: str) -> bool:
        """Store a device in place of one that was never active; not in place of an active one."""
        statement = upsert(self.session, TotpDevice.__table__).values(
            user_id=user_id, encrypted_secret=encrypted_secret
        )
        statement = statement.on_conflict_do_update(
            index_elements=[_devices.user_id],
            set_={"encrypted_secret": encrypted_secret, "created_at": func.now()},
            where=_devices.confirmed_at.is_(None),
        ).returning(_devices.id)
        return (await self.session.scalar(statement)) is not None

    async def activate(self, device: TotpDevice, *, step: int, now: datetime) -> bool:
        """Whether it was this that activated it: of two at once one wins."""
        return await self._change(
            TotpDevice.id == device.id,
            TotpDevice.confirmed_at.is_(None),
            # Not a secret that another enrolment has put there meanwhile.
            TotpDevice.encrypted_secret == device.encrypted_secret,
            values={"confirmed_at": now, "last_used_step": step},
        )

    async def use_step(self, device: TotpDevice, step: int, encrypted_secret: str) -> bool:
        """Whether no code of this step or a later one was used; of two at once one wins."""
        return await self._change(
            TotpDevice.id == device.id,
            TotpDevice.last_used_step < step,
            values={"last_used_step": step, "encrypted_secret": encrypted_secret},
        )

    async def store_secret(self, device: TotpDevice, encrypted_secret: str) -> bool:
        """The same one, encrypted anew; not over another one that was put there meanwhile."""
        return await self._change(
            TotpDevice.id == device.id,
            TotpDevice.encrypted_secret == device.encrypted_secret,
            values={"encrypted_secret": encrypted_secret},
        )

    async def void_challenges(self, user_id: UUID, now: datetime) -> None:
        await self._change(TotpDevice.user_id == user_id, values={"challenges_from": now})

    async def all(self) -> Sequence[TotpDevice]:
        return (await self.session.scalars(self.select())).all()

    async def remove(self, user_id: UUID) -> bool:
        """Whether there was an active one."""
        statement = delete(TotpDevice).where(TotpDevice.user_id == user_id)
        confirmed = await self.session.execute(statement.returning(TotpDevice.confirmed_at))
        return any(row[0] is not None for row in confirmed)

    async def purge(self, *, enrolled_before: datetime) -> int:
        """Enrolments that were not brought to an end."""
        statement = delete(TotpDevice).where(
            TotpDevice.confirmed_at.is_(None), TotpDevice.created_at < enrolled_before
        )
        return await affected(self.session, statement)

    async def _change(self, *criteria: Any, values: dict[str, Any]) -> bool:  # noqa: ANN401 (SQL)
        statement = update(TotpDevice).where(*criteria).values(values).returning(TotpDevice.id)
        return (await self.session.scalar(statement)) is not None


class RecoveryCodeCRUD(CRUD[RecoveryCode]):
    model = RecoveryCode

    async def of(self, user_id: UUID) -> Sequence[RecoveryCode]:
        statement = self.select().where(RecoveryCode.user_id == user_id).order_by(RecoveryCode.id)
        return (await self.session.scalars(statement)).all()

    async def left(self, user_id: UUID) -> int:
        statement = select(func.count()).where(
            RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None)
        )
        return (await self.session.scalar(statement)) or 0

    async def use(self, user_id: UUID, code_hash: str, now: datetime) -> bool:
        """Whether it was unused; of two at once one wins."""
        statement = (
            update(RecoveryCode)
            .where(
                RecoveryCode.user_id == user_id,
                RecoveryCode.code_hash == code_hash,
                RecoveryCode.used_at.is_(None),
            )
            .values(used_at=now)
            .returning(RecoveryCode.id)
        )
        return (await self.session.scalar(statement)) is not None

    async def replace(self, user_id: UUID, code_hashes: Sequence[str]) -> None:
        await self.remove(user_id)
        self.session.add_all(RecoveryCode(user_id=user_id, code_hash=it) for it in code_hashes)
        await self.session.flush()

    async def remove(self, user_id: UUID) -> None:
        await self.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))


class UsedChallengeCRUD(CRUD[UsedChallenge]):
    model = UsedChallenge

    async def use(self, challenge_id: UUID, expires_at: datetime) -> bool:
        """Whether it was unused; of two at once one wins."""
        statement = upsert(self.session, UsedChallenge.__table__).values(
            id=challenge_id, expires_at=expires_at
        )
        statement = statement.on_conflict_do_nothing().returning(UsedChallenge.id)
        return (await self.session.scalar(statement)) is not None

    async def purge(self, now: datetime) -> int:
        statement = delete(UsedChallenge).where(UsedChallenge.expires_at <= now)
        return await affected(self.session, statement)
