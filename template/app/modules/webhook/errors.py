from uuid import UUID

from app.core.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError


class EndpointNotFoundError(NotFoundError):
    """Also for another owner's endpoint: a 403 would confirm that it exists."""

    code = "webhook.endpoint_not_found"
    title = "Webhook endpoint not found"

    def __init__(self, endpoint_id: UUID) -> None:
        super().__init__(f"You have no webhook endpoint with the id {endpoint_id}.")


class DeliveryNotFoundError(NotFoundError):
    code = "webhook.delivery_not_found"
    title = "Webhook delivery not found"

    def __init__(self, delivery_id: UUID) -> None:
        super().__init__(f"This endpoint has no delivery with the id {delivery_id}.")


class EndpointAddressError(ForbiddenError):
    """One error for all reasons: which it was would tell what is in our network."""

    code = "webhook.address_refused"
    title = "Webhook address refused"

    def __init__(self, *, https_only: bool) -> None:
        scheme = "https" if https_only else "http or https"
        super().__init__(
            f"This address cannot be called: it must be an {scheme} address of a public host that "
            "can be found, on a usual port and without a name and password."
        )


class UnknownEventTypeError(InvalidError):
    code = "webhook.unknown_event_type"
    title = "Unknown event type"

    def __init__(self) -> None:
        super().__init__("`event_types` has one that there is not: see GET /webhooks/events.")


class TooManyEndpointsError(ConflictError):
    code = "webhook.too_many_endpoints"
    title = "Too many webhook endpoints"

    def __init__(self, most: int) -> None:
        super().__init__(f"An account has at most {most} endpoints: delete one first.")


class EndpointDisabledError(ConflictError):
    code = "webhook.endpoint_disabled"
    title = "Webhook endpoint disabled"

    def __init__(self) -> None:
        super().__init__("Nothing is sent to an endpoint that is disabled: enable it first.")


class DeliveryPendingError(ConflictError):
    code = "webhook.delivery_pending"
    title = "Webhook delivery pending"

    def __init__(self) -> None:
        super().__init__("This delivery is still being tried by itself.")
