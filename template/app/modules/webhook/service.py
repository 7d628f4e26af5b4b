from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pydantic import MISSING
from uuid_utils.compat import uuid7

from app.core.errors import DomainError
from app.infrastructure.http_client.guarded import GuardedClient
from app.infrastructure.security.events import SecurityEvents
from app.modules.common.listing import Rows
from app.modules.common.pagination import PageQuery
from app.modules.throttle.service import Limit, Throttle
from app.modules.user.errors import NotAuthenticatedError
from app.modules.user.service import lock_user

from .crud import DeliveryCRUD, EndpointCRUD
from .errors import (
    DeliveryNotFoundError,
    DeliveryPendingError,
    EndpointAddressError,
    EndpointDisabledError,
    EndpointNotFoundError,
    TooManyEndpointsError,
    UnknownEventTypeError,
)
from .events import PING, KnownEvents, Ping, body_of
from .models import DeliveryStatus, DisabledReason, WebhookDelivery, WebhookEndpoint
from .schemas import (
    DeliveryQuery,
    EndpointCreate,
    EndpointSecret,
    EndpointUpdate,
    SecretRotate,
)
from .sending import Webhooks
from .settings import WebhookSettings
from .signing import SecretBox, new_secret


@dataclass(frozen=True, slots=True)
class Scheme:
    """Deliveries are signed and not encrypted: where it matters, TLS does that."""

    https_only: bool

    def admits(self, url: str) -> bool:
        return url.startswith("https://") or not self.https_only


@dataclass(frozen=True, slots=True)
class EndpointRules:
    """What an endpoint may be, and how often one may have us reach out."""

    scheme: Scheme
    client: GuardedClient
    throttle: Throttle
    settings: WebhookSettings
    box: SecretBox

    async def take(self, user_id: UUID) -> None:
        """Count one more. Raises `TooManyAttemptsError`."""
        most = self.settings.outgoing_per_hour
        limit = Limit(name="webhook", most=most, window_seconds=3600)
        await self.throttle.take(limit, str(user_id), user_id)

    async def check_address(self, url: str) -> None:
        """Raises `EndpointAddressError`. It may lead elsewhere later: deliveries look again."""
        refusal = EndpointAddressError(https_only=self.scheme.https_only)
        if not self.scheme.admits(url):
            raise refusal
        try:
            await self.client.check(url)
        except DomainError:
            raise refusal from None


class EndpointReader:
    """The endpoints of one user: every query starts from theirs."""

    def __init__(self, endpoints: EndpointCRUD, user_id: UUID) -> None:
        self.endpoints = endpoints
        self.deliveries = DeliveryCRUD(endpoints.session)
        self.user_id = user_id

    async def get(self, endpoint_id: UUID) -> WebhookEndpoint:
        endpoint = await self.endpoints.get_owned(self.user_id, endpoint_id)
        if endpoint is None:
            raise EndpointNotFoundError(endpoint_id)
        return endpoint

    async def page(self, query: PageQuery) -> tuple[Rows, int]:
        return await self.endpoints.page_of(
            self.user_id, limit=query.items_per_page, offset=query.offset
        )

    async def get_delivery(self, endpoint_id: UUID, delivery_id: UUID) -> WebhookDelivery:
        await self.get(endpoint_id)
        delivery = await self.deliveries.get_of(endpoint_id, delivery_id)
        if delivery is None:
            raise DeliveryNotFoundError(delivery_id)
        return delivery

    async def page_of_deliveries(self, endpoint_id: UUID, query: DeliveryQuery) -> tuple[Rows, int]:
        await self.get(endpoint_id)
        return await self.deliveries.page_of(endpoint_id, query)


class EndpointService(EndpointReader):
    def __init__(
        self,
        endpoints: EndpointCRUD,
        user_id: UUID,
        rules: EndpointRules,
        webhooks: Webhooks,
        events: SecurityEvents,
    ) -> None:
        super().__init__(endpoints, user_id)
        self.session = endpoints.session
        self.rules = rules
        self.webhooks = webhooks
        self.events = events

    async def register(self, data: EndpointCreate) -> EndpointSecret:
        """The answer has the secret.

        Raises `UnknownEventTypeError`, `EndpointAddressError`, `TooManyEndpointsError` and
        `TooManyAttemptsError`.
        """
        event_types = checked(self.webhooks.known, data.event_types)
        await self.rules.take(self.user_id)
        await self.rules.check_address(data.url)
        # The account itself is what two requests at the same moment have to take turns at.
        if not await lock_user(self.session, self.user_id):
            raise NotAuthenticatedError
        most = self.rules.settings.endpoints_per_user
        if await self.endpoints.count_of(self.user_id) >= most:
            raise TooManyEndpointsError(most)
        endpoint_id, secret = uuid7(), new_secret()
        endpoint = await self.endpoints.add(
            WebhookEndpoint(
                id=endpoint_id,
                user_id=self.user_id,
                url=data.url,
                description=data.description,
                event_types=event_types,
                secret=self.rules.box.seal(secret, endpoint_id),
            )
        )
        await self._record("webhook_endpoint_registered", endpoint_id)
        return EndpointSecret.of(endpoint, secret)

    async def update(self, endpoint_id: UUID, data: EndpointUpdate) -> WebhookEndpoint:
        values = data.model_dump()
        if data.event_types is not MISSING:
            values["event_types"] = checked(self.webhooks.known, data.event_types)
        if data.url is not MISSING:
            await self.rules.take(self.user_id)
            await self.rules.check_address(data.url)
        endpoint = await self._lock(endpoint_id)
        is_enabled = values.get("is_enabled", endpoint.is_enabled)
        if is_enabled and not endpoint.is_enabled:
            values |= {"disabled_reason": None, "consecutive_failures": 0}
        elif endpoint.is_enabled and not is_enabled:
            values["disabled_reason"] = DisabledReason.OWNER
            await self.deliveries.cancel_pending(endpoint_id)
        if values.get("url", endpoint.url) != endpoint.url:
            await self._record("webhook_endpoint_moved", endpoint_id)
        return await self.endpoints.update(endpoint, values)

    async def delete(self, endpoint_id: UUID) -> None:
        """Its deliveries go with it; what is on its way is not tried again."""
        endpoint = await self._lock(endpoint_id)
        await self.session.delete(endpoint)
        await self.session.flush()
        await self._record("webhook_endpoint_deleted", endpoint_id)

    async def rotate(self, endpoint_id: UUID, data: SecretRotate) -> EndpointSecret:
        """Of several former secrets the latest is used beside the new one, and only for a while."""
        endpoint, secret = await self._lock(endpoint_id), new_secret()
        has_overlap = data.overlap_seconds > 0
        ends_at = datetime.now(UTC) + timedelta(seconds=data.overlap_seconds)
        await self.endpoints.update(
            endpoint,
            {
                "previous_secret": endpoint.secret if has_overlap else None,
                "previous_secret_ends_at": ends_at if has_overlap else None,
                "secret": self.rules.box.seal(secret, endpoint_id),
            },
        )
        await self.events.record(
            self.session,
            "webhook_secret_rotated",
            self.user_id,
            endpoint_id=str(endpoint_id),
            overlap_seconds=data.overlap_seconds,
        )
        return EndpointSecret.of(endpoint, secret)

    async def ping(self, endpoint_id: UUID) -> WebhookDelivery:
        """Raises `EndpointDisabledError` and `TooManyAttemptsError`."""
        await self.rules.take(self.user_id)
        await self._get_enabled(endpoint_id)
        body = body_of(PING, Ping(endpoint_id=str(endpoint_id)))
        return await self.webhooks.deliver(self.session, endpoint_id, uuid7(), PING.name, body)

    async def redeliver(self, endpoint_id: UUID, delivery_id: UUID) -> WebhookDelivery:
        """A delivery of its own, of the same event: a receiver that has it can tell.

        Raises `EndpointDisabledError`, `DeliveryPendingError` and `TooManyAttemptsError`.
        """
        await self.rules.take(self.user_id)
        await self._get_enabled(endpoint_id)
        old = await self.get_delivery(endpoint_id, delivery_id)
        if old.status == DeliveryStatus.PENDING:
            raise DeliveryPendingError
        return await self.webhooks.deliver(
            self.session, endpoint_id, old.event_id, old.event_type, old.body
        )

    async def _get_enabled(self, endpoint_id: UUID) -> None:
        if not (await self.get(endpoint_id)).is_enabled:
            raise EndpointDisabledError

    async def _lock(self, endpoint_id: UUID) -> WebhookEndpoint:
        endpoint = await self.endpoints.lock_owned(self.user_id, endpoint_id)
        if endpoint is None:
            raise EndpointNotFoundError(endpoint_id)
        return endpoint

    async def _record(self, name: str, endpoint_id: UUID) -> None:
        await self.events.record(self.session, name, self.user_id, endpoint_id=str(endpoint_id))


def checked(known: KnownEvents, event_types: Sequence[str]) -> list[str]:
    """Each once, in order. Raises `UnknownEventTypeError`."""
    if not known.by_name.keys() >= set(event_types):
        raise UnknownEventTypeError
    return sorted(set(event_types))
