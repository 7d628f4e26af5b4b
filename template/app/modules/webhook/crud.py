from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.affected import affected
from app.modules.common.crud import CRUD
from app.modules.common.listing import Listing, Rows
from app.modules.common.models import first_id_at
from app.modules.user.models import User

from .models import DeliveryStatus, WebhookDelivery, WebhookEndpoint
from .schemas import DeliveryQuery, DeliveryRead, EndpointRead

_endpoints = WebhookEndpoint.__table__.c
_deliveries = WebhookDelivery.__table__.c
_OF_USER = Listing(
    WebhookEndpoint.__table__, EndpointRead, _endpoints.user_id == bindparam("user_id")
)
_IS_USABLE = WebhookEndpoint.is_enabled & User.is_active & User.deleted_at.is_(None)


@cache
def _deliveries_of_endpoint(*, has_status: bool) -> Listing:
    criteria = [_deliveries.endpoint_id == bindparam("endpoint_id")]
    if has_status:
        criteria.append(_deliveries.status == bindparam("status"))
    return Listing(WebhookDelivery.__table__, DeliveryRead, *criteria)


class EndpointCRUD(CRUD[WebhookEndpoint]):
    model = WebhookEndpoint

    async def get_owned(self, user_id: UUID, endpoint_id: UUID) -> WebhookEndpoint | None:
        statement = self.select().where(
            WebhookEndpoint.user_id == user_id, WebhookEndpoint.id == endpoint_id
        )
        return await self.session.scalar(statement)

    async def lock_owned(self, user_id: UUID, endpoint_id: UUID) -> WebhookEndpoint | None:
        return await self._locked(
            WebhookEndpoint.user_id == user_id, WebhookEndpoint.id == endpoint_id
        )

    async def lock(self, endpoint_id: UUID) -> WebhookEndpoint | None:
        """Let others wait who change it, but not those who add deliveries."""
        return await self._locked(WebhookEndpoint.id == endpoint_id)

    async def _locked(self, *criteria: Any) -> WebhookEndpoint | None:  # noqa: ANN401
        statement = self.select().where(*criteria).with_for_update(key_share=True)
        return await self.session.scalar(statement.execution_options(populate_existing=True))

    async def page_of(self, user_id: UUID, *, limit: int, offset: int) -> tuple[Rows, int]:
        values = {"user_id": user_id}
        return await _OF_USER.page(self.session, values, limit=limit, offset=offset)

    async def all_of(self, user_id: UUID) -> Sequence[WebhookEndpoint]:
        statement = self.select().where(WebhookEndpoint.user_id == user_id)
        return (await self.session.scalars(statement.order_by(WebhookEndpoint.id))).all()

    async def count_of(self, user_id: UUID) -> int:
        statement = select(func.count()).where(WebhookEndpoint.user_id == user_id)
        return (await self.session.scalar(statement)) or 0

    async def listening(self, user_id: UUID, event_type: str) -> Sequence[UUID]:
        """The enabled endpoints of an account in use that have asked for this type."""
        statement = (
            select(WebhookEndpoint.id, WebhookEndpoint.event_types)
            .join(User, User.id == WebhookEndpoint.user_id)
            .where(WebhookEndpoint.user_id == user_id, _IS_USABLE)
            .order_by(WebhookEndpoint.id)
        )
        # An account has few, and the databases' ways to look into JSON differ.
        found = await self.session.execute(statement)
        return [endpoint_id for endpoint_id, wanted in found if event_type in wanted]

    async def is_usable(self, endpoint_id: UUID) -> bool:
        statement = (
            select(_IS_USABLE)
            .join(User, User.id == WebhookEndpoint.user_id)
            .where(WebhookEndpoint.id == endpoint_id)
        )
        return bool(await self.session.scalar(statement))

    async def note(self, endpoint: WebhookEndpoint, **values: object) -> None:
        """What happens to it is no change: `updated_at` stays as it is."""
        statement = update(WebhookEndpoint).where(WebhookEndpoint.id == endpoint.id)
        same = {"updated_at": WebhookEndpoint.updated_at}
        await self.session.execute(statement.values(values | same))

    async def reseal(self, endpoint: WebhookEndpoint, sealed: bytes) -> None:
        """Unless its secret has been replaced meanwhile."""
        statement = (
            update(WebhookEndpoint)
            .where(
                WebhookEndpoint.id == endpoint.id,
                WebhookEndpoint.secret == endpoint.secret,
            )
            .values(secret=sealed, updated_at=WebhookEndpoint.updated_at)
        )
        await self.session.execute(statement, execution_options={"synchronize_session": False})

    async def erase(self, user_id: UUID) -> None:
        """Their deliveries go with them."""
        # First, in the order in which a delivery that ends locks: the endpoint, then its own row.
        locked = select(WebhookEndpoint.id).where(WebhookEndpoint.user_id == user_id)
        await self.session.execute(locked.order_by(WebhookEndpoint.id).with_for_update())
        await self.session.execute(
            delete(WebhookEndpoint).where(WebhookEndpoint.user_id == user_id)
        )


class DeliveryCRUD(CRUD[WebhookDelivery]):
    model = WebhookDelivery

    async def get_of(self, endpoint_id: UUID, delivery_id: UUID) -> WebhookDelivery | None:
        statement = self.select().where(
            WebhookDelivery.endpoint_id == endpoint_id, WebhookDelivery.id == delivery_id
        )
        return await self.session.scalar(statement.execution_options(populate_existing=True))

    async def page_of(self, endpoint_id: UUID, query: DeliveryQuery) -> tuple[Rows, int]:
        values = {"endpoint_id": endpoint_id, "status": query.status}
        listing = _deliveries_of_endpoint(has_status=query.status is not None)
        given = {name: value for name, value in values.items() if value is not None}
        return await listing.page(
            self.session, given, limit=query.items_per_page, offset=query.offset
        )

    async def all_of(self, endpoint_id: UUID) -> Sequence[WebhookDelivery]:
        statement = self.select().where(WebhookDelivery.endpoint_id == endpoint_id)
        return (await self.session.scalars(statement.order_by(WebhookDelivery.id))).all()

    async def claim(
        self, delivery_id: UUID, *, attempt: int, now: datetime, until: datetime
    ) -> WebhookDelivery | None:
        """The delivery, if nobody has begun this attempt; of two at once one wins."""
        statement = (
            update(WebhookDelivery)
            .where(
                WebhookDelivery.id == delivery_id,
                WebhookDelivery.status == DeliveryStatus.PENDING,
                WebhookDelivery.attempts == attempt - 1,
            )
            .values(attempts=attempt, last_attempt_at=now, next_attempt_at=until)
            .returning(WebhookDelivery)
        )
        return await self.session.scalar(statement, execution_options={"populate_existing": True})

    async def conclude(
        self, delivery_id: UUID, attempt: int, *allowed: DeliveryStatus, **values: object
    ) -> bool:
        """Whether this is the latest attempt, and the status one of `allowed`."""
        statement = update(WebhookDelivery).where(
            WebhookDelivery.id == delivery_id,
            WebhookDelivery.attempts == attempt,
            WebhookDelivery.status.in_(allowed),
        )
        return await affected(self.session, statement.values(values)) == 1

    async def take_due(
        self, now: datetime, *, lease: timedelta, limit: int
    ) -> Sequence[tuple[UUID, int]]:
        """Those that are to be sent to the queue, with the number of their next attempt.

        They are due again after the lease, should they get lost on the way. What another one takes
        at this moment is left out.
        """
        due = WebhookDelivery.next_attempt_at <= now
        chosen = (
            select(WebhookDelivery.id)
            .where(due)
            .order_by(WebhookDelivery.next_attempt_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        statement = (
            update(WebhookDelivery)
            .where(WebhookDelivery.id.in_(chosen), due)
            .values(next_attempt_at=now + lease)
            .returning(WebhookDelivery.id, WebhookDelivery.attempts)
        )
        taken = await self.session.execute(
            statement, execution_options={"synchronize_session": False}
        )
        return [(delivery_id, attempts + 1) for delivery_id, attempts in taken]

    async def cancel_pending(self, endpoint_id: UUID) -> None:
        statement = (
            update(WebhookDelivery)
            .where(
                WebhookDelivery.endpoint_id == endpoint_id,
                WebhookDelivery.status == DeliveryStatus.PENDING,
            )
            .values(status=DeliveryStatus.CANCELLED, next_attempt_at=None)
        )
        await self.session.execute(statement)


async def delete_older(session: AsyncSession, before: datetime) -> int:
    old = delete(WebhookDelivery).where(WebhookDelivery.id < first_id_at(before))
    return await affected(session, old)
