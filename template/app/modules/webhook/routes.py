from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from app.core.routing import PrefixRouter
from app.infrastructure.database.errors import DatabaseBusyError, DatabaseUnreachableError
from app.modules.common.pagination import Page, PageQuery, page_of
from app.modules.common.problems import raises
from app.modules.throttle.errors import TooManyAttemptsError
from app.modules.user.dependencies import requires
from app.modules.user.errors import InsufficientScopeError, NotAuthenticatedError

from .dependencies import EndpointReaderDep, EndpointServiceDep, WebhooksDep
from .errors import (
    DeliveryNotFoundError,
    DeliveryPendingError,
    EndpointAddressError,
    EndpointDisabledError,
    EndpointNotFoundError,
    TooManyEndpointsError,
    UnknownEventTypeError,
)
from .models import WebhookDelivery, WebhookEndpoint
from .permissions import READ_WEBHOOKS
from .schemas import (
    DeliveryDetail,
    DeliveryQuery,
    DeliveryRead,
    EndpointCreate,
    EndpointRead,
    EndpointSecret,
    EndpointUpdate,
    EventTypeRead,
    SecretRotate,
)

_GUARDED = (NotAuthenticatedError, InsufficientScopeError)
_OWNED = (*_GUARDED, EndpointNotFoundError)

router = PrefixRouter(
    prefix="/webhooks",
    tags=["webhooks"],
    responses=raises(DatabaseBusyError, DatabaseUnreachableError),
)


@router.get(
    "/events",
    response_model=list[EventTypeRead],
    dependencies=[requires(READ_WEBHOOKS)],
    responses=raises(*_GUARDED),
)
async def list_webhook_events(webhooks: WebhooksDep) -> object:
    """List what endpoints can ask for; the section `webhooks` of this description has the rest."""
    return sorted(webhooks.known.by_name.values(), key=lambda event: event.name)


@router.post(
    "",
    response_model=EndpointSecret,
    status_code=HTTPStatus.CREATED,
    responses=raises(
        *_GUARDED,
        EndpointAddressError,
        UnknownEventTypeError,
        TooManyEndpointsError,
        TooManyAttemptsError,
    ),
)
async def register_webhook(
    endpoints: EndpointServiceDep, data: EndpointCreate, request: Request, response: Response
) -> EndpointSecret:
    """Have an address of yours told of events, in signed requests (Standard Webhooks).

    This answer alone shows the secret with which they are signed: keep it like a password.
    """
    registered = await endpoints.register(data)
    response.headers["Location"] = request.url_for("read_webhook", endpoint_id=registered.id).path
    return registered


@router.get("", response_model=Page[EndpointRead], responses=raises(*_GUARDED))
async def list_webhooks(
    endpoints: EndpointReaderDep, query: Annotated[PageQuery, Query()]
) -> dict[str, object]:
    """List your endpoints, newest first."""
    return page_of(query, *await endpoints.page(query))


@router.get("/{endpoint_id:uuid}", response_model=EndpointRead, responses=raises(*_OWNED))
async def read_webhook(endpoints: EndpointReaderDep, endpoint_id: UUID) -> WebhookEndpoint:
    """Read one of your endpoints; its secret is not shown again."""
    return await endpoints.get(endpoint_id)


@router.patch(
    "/{endpoint_id:uuid}",
    response_model=EndpointRead,
    responses=raises(*_OWNED, EndpointAddressError, UnknownEventTypeError, TooManyAttemptsError),
)
async def update_webhook(
    endpoints: EndpointServiceDep, endpoint_id: UUID, data: EndpointUpdate
) -> WebhookEndpoint:
    """Change the fields that are present and leave the others alone."""
    return await endpoints.update(endpoint_id, data)


@router.delete("/{endpoint_id:uuid}", status_code=HTTPStatus.NO_CONTENT, responses=raises(*_OWNED))
async def delete_webhook(endpoints: EndpointServiceDep, endpoint_id: UUID) -> None:
    """Delete an endpoint, with the list of its deliveries."""
    await endpoints.delete(endpoint_id)


@router.post(
    "/{endpoint_id:uuid}/rotate-secret", response_model=EndpointSecret, responses=raises(*_OWNED)
)
async def rotate_webhook_secret(
    endpoints: EndpointServiceDep, endpoint_id: UUID, data: SecretRotate
) -> EndpointSecret:
    """Replace the secret; for `overlap_seconds` deliveries are signed with the old one as well."""
    return await endpoints.rotate(endpoint_id, data)


@router.post(
    "/{endpoint_id:uuid}/ping",
    response_model=DeliveryRead,
    status_code=HTTPStatus.ACCEPTED,
    responses=raises(*_OWNED, EndpointDisabledError, TooManyAttemptsError),
)
async def ping_webhook(
    endpoints: EndpointServiceDep, endpoint_id: UUID, request: Request, response: Response
) -> WebhookDelivery:
    """Send the event `webhook.ping` to an endpoint, once; the `Location` is where to look."""
    return _located(await endpoints.ping(endpoint_id), request, response)


@router.get(
    "/{endpoint_id:uuid}/deliveries", response_model=Page[DeliveryRead], responses=raises(*_OWNED)
)
async def list_webhook_deliveries(
    endpoints: EndpointReaderDep, endpoint_id: UUID, query: Annotated[DeliveryQuery, Query()]
) -> dict[str, object]:
    """List what was sent to an endpoint, newest first."""
    return page_of(query, *await endpoints.page_of_deliveries(endpoint_id, query))


@router.get(
    "/{endpoint_id:uuid}/deliveries/{delivery_id:uuid}",
    response_model=DeliveryDetail,
    responses=raises(*_OWNED, DeliveryNotFoundError),
)
async def read_webhook_delivery(
    endpoints: EndpointReaderDep, endpoint_id: UUID, delivery_id: UUID
) -> WebhookDelivery:
    """Read a delivery, with what is sent."""
    return await endpoints.get_delivery(endpoint_id, delivery_id)


@router.post(
    "/{endpoint_id:uuid}/deliveries/{delivery_id:uuid}/redeliver",
    response_model=DeliveryRead,
    status_code=HTTPStatus.ACCEPTED,
    responses=raises(
        *_OWNED,
        DeliveryNotFoundError,
        EndpointDisabledError,
        DeliveryPendingError,
        TooManyAttemptsError,
    ),
)
async def redeliver_webhook(
    endpoints: EndpointServiceDep,
    endpoint_id: UUID,
    delivery_id: UUID,
    request: Request,
    response: Response,
) -> WebhookDelivery:
    """Send an event once more, with the same `webhook-id`; it is a delivery of its own."""
    return _located(await endpoints.redeliver(endpoint_id, delivery_id), request, response)


def _located(delivery: WebhookDelivery, request: Request, response: Response) -> WebhookDelivery:
    response.headers["Location"] = request.url_for(
        "read_webhook_delivery", endpoint_id=delivery.endpoint_id, delivery_id=delivery.id
    ).path
    return delivery
