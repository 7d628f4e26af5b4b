from typing import Annotated, cast

from fastapi import Depends, FastAPI
from starlette.requests import HTTPConnection

from app.core.routing import api_routes
from app.infrastructure.database.session import ReadSessionDep, SessionDep
from app.infrastructure.security.dependencies import SecurityEventsDep
from app.modules.user.dependencies import UserReaderDep, UserServiceDep

from .crud import TierCRUD
from .limits import TierLimits
from .service import RateLimitService, TierReader, TierService
from .settings import TierSettings


async def get_tier_settings(connection: HTTPConnection) -> TierSettings:
    return cast("TierSettings", connection.state.tier_settings)


TierSettingsDep = Annotated[TierSettings, Depends(get_tier_settings)]


async def get_tier_reader(
    session: ReadSessionDep, users: UserReaderDep, settings: TierSettingsDep
) -> TierReader:
    return TierReader(TierCRUD(session), users, settings.default)


async def get_tier_service(
    session: SessionDep,
    users: UserServiceDep,
    settings: TierSettingsDep,
    events: SecurityEventsDep,
    connection: HTTPConnection,
) -> TierService:
    cached = cast("TierLimits", connection.state.tier_limits)
    return TierService(TierCRUD(session), users, settings.default, events, cached)


async def get_rate_limit_service(
    session: SessionDep, events: SecurityEventsDep, connection: HTTPConnection
) -> RateLimitService:
    cached = cast("TierLimits", connection.state.tier_limits)
    return RateLimitService(TierCRUD(session), events, cached, routes_of(connection.app))


def routes_of(app: FastAPI) -> set[str]:
    """The template of every route of the API, as its description writes them."""
    return {template for template, _ in api_routes(app)}


TierReaderDep = Annotated[TierReader, Depends(get_tier_reader)]
TierServiceDep = Annotated[TierService, Depends(get_tier_service)]
RateLimitServiceDep = Annotated[RateLimitService, Depends(get_rate_limit_service)]
"""These two for who may manage tiers."""
