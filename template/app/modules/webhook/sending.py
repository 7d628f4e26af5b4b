"""How the rest of the service tells of an event."""

from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.core.feature import State
from app.infrastructure.celery.queue import TaskQueue

from .crud import DeliveryCRUD, EndpointCRUD
from .delivery import LEASE, Attempt, deliver
from .events import Data, KnownEvents, WebhookEvent, body_of
from .models import WebhookDelivery


class Webhooks:
    """`request.state.webhooks`; for a service: `WebhooksDep`, in a task: `webhooks_of(state)`."""

    def __init__(self, queue: TaskQueue, known: KnownEvents) -> None:
        self._queue = queue
        self.known = known

    async def send(
        self, session: AsyncSession, user_id: UUID, event: WebhookEvent[Data], data: Data
    ) -> None:
        """Tell the endpoints of a user that have asked for it, once the transaction is committed.

        They are told at least once, and if the transaction is undone not at all. Nothing waits for
        them: a broker that is down only makes it later.
        """
        if event.name not in self.known.by_name:
            raise LookupError(f"no feature lists the webhook event {event.name} in its extensions")
        endpoints = await EndpointCRUD(session).listening(user_id, event.name)
        if endpoints:
            event_id, body = uuid7(), body_of(event, data)
            for endpoint_id in endpoints:
                await self.deliver(session, endpoint_id, event_id, event.name, body)

    async def deliver(
        self, session: AsyncSession, endpoint_id: UUID, event_id: UUID, event_type: str, body: str
    ) -> WebhookDelivery:
        delivery = await DeliveryCRUD(session).add(
            WebhookDelivery(
                endpoint_id=endpoint_id,
                event_id=event_id,
                event_type=event_type,
                body=body,
                # Should the message get lost.
                next_attempt_at=datetime.now(UTC) + LEASE,
            )
        )
        first = Attempt(delivery_id=delivery.id, number=1)
        await self._queue.enqueue(session, deliver, first)
        return delivery


def webhooks_of(state: State) -> Webhooks:
    return cast("Webhooks", state["webhooks"])
