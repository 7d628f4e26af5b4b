from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.infrastructure.database.session import ReadSessionDep, SessionDep
from app.infrastructure.http_client.dependencies import GuardedClientDep
from app.infrastructure.security.dependencies import SecurityEventsDep
from app.modules.user.dependencies import ThrottleDep, requires
from app.modules.user.models import CurrentUser

from .crud import EndpointCRUD
from .delivery import Courier
from .permissions import READ_WEBHOOKS, WRITE_WEBHOOKS
from .sending import Webhooks
from .service import EndpointReader, EndpointRules, EndpointService, Scheme


async def get_webhooks(connection: HTTPConnection) -> Webhooks:
    return cast("Webhooks", connection.state.webhooks)


WebhooksDep = Annotated[Webhooks, Depends(get_webhooks)]
"""For services that tell of events."""


async def get_courier(connection: HTTPConnection) -> Courier:
    return cast("Courier", connection.state.webhook_courier)


CourierDep = Annotated[Courier, Depends(get_courier)]


async def get_endpoint_rules(
    connection: HTTPConnection, client: GuardedClientDep, throttle: ThrottleDep, courier: CourierDep
) -> EndpointRules:
    scheme = cast("Scheme", connection.state.webhook_scheme)
    return EndpointRules(scheme, client, throttle, courier.settings, courier.box)


async def get_endpoint_reader(
    user: Annotated[CurrentUser, requires(READ_WEBHOOKS)], session: ReadSessionDep
) -> EndpointReader:
    return EndpointReader(EndpointCRUD(session), user.id)


async def get_endpoint_service(
    user: Annotated[CurrentUser, requires(WRITE_WEBHOOKS)],
    session: SessionDep,
    rules: Annotated[EndpointRules, Depends(get_endpoint_rules)],
    webhooks: WebhooksDep,
    events: SecurityEventsDep,
) -> EndpointService:
    return EndpointService(EndpointCRUD(session), user.id, rules, webhooks, events)


EndpointReaderDep = Annotated[EndpointReader, Depends(get_endpoint_reader)]
EndpointServiceDep = Annotated[EndpointService, Depends(get_endpoint_service)]
