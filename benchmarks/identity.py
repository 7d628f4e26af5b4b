"""The service with one answer more, once for everybody and once for whoever is logged in."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import load_settings
from app.core.feature import Feature
from app.core.routing import PrefixRouter
from app.infrastructure.logging.setup import configure_logging
from app.modules.user.dependencies import requires
from app.modules.user.models import CurrentUser
from app.modules.user.permissions import READ_PROFILE
from app.modules.user.schemas import UserRead

_NOW = datetime.now(UTC)
SOMEBODY = CurrentUser(
    id=UUID(int=1),
    name="Ada Lovelace",
    username="ada",
    email="ada@example.com",
    email_verified=False,
    profile_image_url=None,
    is_superuser=False,
    created_at=_NOW,
    updated_at=_NOW,
)

router = PrefixRouter(prefix="/account", tags=["account"])


@router.get("/anybody", response_model=UserRead)
async def anybody() -> CurrentUser:
    return SOMEBODY


@router.get("/caller", response_model=UserRead)
async def caller(user: Annotated[CurrentUser, requires(READ_PROFILE)]) -> CurrentUser:
    return user


settings = load_settings()
configure_logging(settings.log, deployed=settings.environment.is_deployed)
app = create_app(settings, [*enabled_features(settings), Feature(name="account", routers=(router,))])
