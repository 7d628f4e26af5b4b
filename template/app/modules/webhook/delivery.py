"""Bringing deliveries to their endpoints: one task for each attempt."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from random import uniform
from typing import NamedTuple, cast
from uuid import UUID

import structlog
from pydantic import BaseModel, JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.feature import State
from app.infrastructure.celery.queue import TaskQueue, task_queue_of
from app.infrastructure.celery.tasks import NoPayload, TaskContext, task
from app.infrastructure.http_client.clients import http_clients_of
from app.infrastructure.http_client.errors import (
    AddressRefusedError,
    UpstreamFailedError,
    UpstreamTimeoutError,
)
from app.infrastructure.http_client.guarded import GuardedClient
from app.infrastructure.http_client.retry import retry_after_seconds
from app.infrastructure.security.events import SecurityEvents

from .crud import DeliveryCRUD, EndpointCRUD
from .events import PING
from .models import (
    DeliveryError,
    DeliveryStatus,
    DisabledReason,
    WebhookDelivery,
    WebhookEndpoint,
)
from .notices import DISABLED
from .settings import WebhookSettings
from .signing import SecretBox, signed_headers

logger = structlog.get_logger()

# How long a delivery may be on its way to a worker, or with it, until it counts as lost and is sent
# again: far longer than an answer may take. Sent twice for nothing, it does no harm: one attempt is
# begun once.
LEASE = timedelta(minutes=5)
# More of them wait for the next sweep.
_SWEPT = 500
# Patience that an endpoint can ask for.
_LONGEST_PATIENCE = timedelta(days=1)


class Attempt(BaseModel):
    delivery_id: UUID
    number: int
    """1 for the first."""


class Parcel(NamedTuple):
    """What an attempt takes, read at its beginning."""

    delivery_id: UUID
    endpoint_id: UUID
    number: int
    url: str
    event_id: UUID
    event_type: str
    body: bytes
    secrets: tuple[str, ...]


class Outcome(NamedTuple):
    status: int | None = None
    error: DeliveryError | None = None
    patience_seconds: int = 0

    @property
    def is_success(self) -> bool:
        return self.status is not None and HTTPStatus(200) <= self.status < HTTPStatus(300)


@dataclass(slots=True)
class Courier:
    settings: WebhookSettings
    box: SecretBox
    events: SecurityEvents
    admits: Callable[[str], bool]
    """Whether events may be sent to a URL of this scheme."""

    async def claim(self, session: AsyncSession, attempt: Attempt) -> Parcel | None:
        """Begin the attempt, unless it has begun before or is not wanted any more."""
        deliveries, endpoints = DeliveryCRUD(session), EndpointCRUD(session)
        now = datetime.now(UTC)
        delivery = await deliveries.claim(
            attempt.delivery_id, attempt=attempt.number, now=now, until=now + LEASE
        )
        if delivery is None:
            return None
        if not await endpoints.is_usable(delivery.endpoint_id):
            await self._end(session, delivery, DeliveryStatus.CANCELLED)
            return None
        if attempt.number > self._most_attempts(delivery.event_type):
            # The process of the last one died.
            await self._end(
                session, delivery, DeliveryStatus.FAILED, error=DeliveryError.INTERRUPTED
            )
            return None
        endpoint = await endpoints.get(delivery.endpoint_id)
        return None if endpoint is None else await self._pack(session, endpoint, delivery)

    async def post(self, client: GuardedClient, parcel: Parcel) -> Outcome:
        if not parcel.secrets:
            logger.error("webhook secret lost", endpoint_id=str(parcel.endpoint_id))
            return Outcome(error=DeliveryError.SECRET_LOST)
        if not self.admits(parcel.url):
            return Outcome(error=DeliveryError.ADDRESS_REFUSED)
        headers = {
            "content-type": "application/json",
            **signed_headers(
                parcel.secrets,
                str(parcel.event_id),
                int(datetime.now(UTC).timestamp()),
                parcel.body,
            ),
        }
        try:
            answer = await client.post(
                parcel.url, parcel.body, headers, deadline_seconds=self.settings.timeout_seconds
            )
        except AddressRefusedError:
            return Outcome(error=DeliveryError.ADDRESS_REFUSED)
        except UpstreamTimeoutError:
            return Outcome(error=DeliveryError.TIMEOUT)
        except UpstreamFailedError:
            return Outcome(error=DeliveryError.NO_ANSWER)
        return Outcome(
            answer.status, patience_seconds=retry_after_seconds(answer.headers.get("retry-after"))
        )

    async def conclude(self, session: AsyncSession, parcel: Parcel, outcome: Outcome) -> None:
        # First: two deliveries that end at the same moment count one after the other.
        endpoint = await EndpointCRUD(session).lock(parcel.endpoint_id)
        if endpoint is None:
            return
        if outcome.is_success:
            await self._succeed(session, endpoint, parcel, outcome)
        else:
            await self._fail(session, endpoint, parcel, outcome)

    async def sweep(self, session: AsyncSession, queue: TaskQueue, now: datetime) -> int:
        """Send to the queue what is due, and what has got lost; how many."""
        taken = await DeliveryCRUD(session).take_due(now, lease=LEASE, limit=_SWEPT)
        for delivery_id, number in taken:
            await queue.enqueue(session, deliver, Attempt(delivery_id=delivery_id, number=number))
        return len(taken)

    def _most_attempts(self, event_type: str) -> int:
        # Whoever asks for a ping is there, and can ask again.
        return 1 if event_type == PING.name else self.settings.attempts

    async def _pack(
        self, session: AsyncSession, endpoint: WebhookEndpoint, delivery: WebhookDelivery
    ) -> Parcel:
        return Parcel(
            delivery.id,
            endpoint.id,
            delivery.attempts,
            endpoint.url,
            delivery.event_id,
            delivery.event_type,
            delivery.body.encode(),
            await self._secrets(session, endpoint),
        )

    async def _secrets(self, session: AsyncSession, endpoint: WebhookEndpoint) -> tuple[str, ...]:
        """The one in use first; none if they cannot be read any more."""
        opened = self.box.open(endpoint.secret, endpoint.id)
        if opened is None:
            return ()
        if not opened.is_current:
            await EndpointCRUD(session).reseal(endpoint, self.box.seal(opened.secret, endpoint.id))
        ends_at, previous = endpoint.previous_secret_ends_at, endpoint.previous_secret
        if previous is None or ends_at is None or ends_at <= datetime.now(UTC):
            return (opened.secret,)
        former = self.box.open(previous, endpoint.id)
        return (opened.secret,) if former is None else (opened.secret, former.secret)

    async def _succeed(
        self, session: AsyncSession, endpoint: WebhookEndpoint, parcel: Parcel, outcome: Outcome
    ) -> None:
        # Cancelled meanwhile, it has arrived all the same.
        await DeliveryCRUD(session).conclude(
            parcel.delivery_id,
            parcel.number,
            DeliveryStatus.PENDING,
            DeliveryStatus.CANCELLED,
            status=DeliveryStatus.DELIVERED,
            response_status=outcome.status,
            error=None,
            next_attempt_at=None,
        )
        if endpoint.consecutive_failures:
            await EndpointCRUD(session).note(endpoint, consecutive_failures=0)

    async def _fail(
        self, session: AsyncSession, endpoint: WebhookEndpoint, parcel: Parcel, outcome: Outcome
    ) -> None:
        is_gone = outcome.status == HTTPStatus.GONE
        is_over = is_gone or parcel.number >= self._most_attempts(parcel.event_type)
        is_concluded = await DeliveryCRUD(session).conclude(
            parcel.delivery_id,
            parcel.number,
            DeliveryStatus.PENDING,
            status=DeliveryStatus.FAILED if is_over else DeliveryStatus.PENDING,
            response_status=outcome.status,
            error=outcome.error,
            next_attempt_at=None if is_over else self._next_attempt(parcel.number, outcome),
        )
        if not is_concluded or not is_over:
            return
        if is_gone:
            await self._disable(session, endpoint, DisabledReason.GONE)
        elif parcel.event_type != PING.name:
            failures = endpoint.consecutive_failures + 1
            await EndpointCRUD(session).note(endpoint, consecutive_failures=failures)
            if failures >= self.settings.failures_until_disabled:
                await self._disable(session, endpoint, DisabledReason.FAILING)

    def _next_attempt(self, number: int, outcome: Outcome) -> datetime:
        # What failed together must not come back together.
        wait = self.settings.wait(number) * uniform(0.9, 1.1)  # noqa: S311 (not a secret)
        asked = min(timedelta(seconds=outcome.patience_seconds), _LONGEST_PATIENCE)
        return datetime.now(UTC) + max(wait, asked)

    async def _disable(
        self, session: AsyncSession, endpoint: WebhookEndpoint, reason: DisabledReason
    ) -> None:
        await EndpointCRUD(session).update(
            endpoint, {"is_enabled": False, "disabled_reason": reason}
        )
        await DeliveryCRUD(session).cancel_pending(endpoint.id)
        await self.events.record(
            session,
            DISABLED,
            endpoint.user_id,
            is_warning=True,
            endpoint_id=str(endpoint.id),
            reason=reason,
        )

    async def _end(
        self,
        session: AsyncSession,
        delivery: WebhookDelivery,
        status: DeliveryStatus,
        error: DeliveryError | None = None,
    ) -> None:
        values = {"status": status, "error": error, "next_attempt_at": None}
        await DeliveryCRUD(session).update(delivery, values)


def courier_of(state: State) -> Courier:
    return cast("Courier", state["webhook_courier"])


@task("webhook.deliver", Attempt)
async def deliver(context: TaskContext, payload: Attempt) -> JsonValue:
    """In three steps, so that no transaction is open while somebody else's server thinks.

    What a crash interrupts is found by the sweep.
    """
    courier = courier_of(context.state)
    async with context.state["database"].transaction() as session:
        parcel = await courier.claim(session, payload)
    if parcel is not None:
        outcome = await courier.post(http_clients_of(context.state).guarded, parcel)
        await courier.conclude(context.session, parcel, outcome)
    return None


@task("webhook.sweep", NoPayload)
async def sweep(context: TaskContext, _: NoPayload) -> JsonValue:
    queue = task_queue_of(context.state)
    return await courier_of(context.state).sweep(context.session, queue, datetime.now(UTC))
