"""The service with one answer more, once with a limit and once without."""

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import load_settings
from app.core.feature import Feature
from app.core.routing import PrefixRouter
from app.infrastructure.logging.setup import configure_logging
from app.infrastructure.rate_limit.declarations import limited, unlimited
from pydantic import BaseModel

router = PrefixRouter(prefix="/measured", tags=["measured"])


class Answer(BaseModel):
    status: str = "ok"


@router.get("/unlimited")
@unlimited
async def without() -> Answer:
    return Answer()


@router.get("/limited")
@limited("999999/minute")
async def with_one() -> Answer:
    return Answer()


@router.get("/limited-twice")
@limited("999999/minute", "999999/day")
async def with_two() -> Answer:
    return Answer()


settings = load_settings()
configure_logging(settings.log, deployed=settings.environment.is_deployed)
app = create_app(settings, [*enabled_features(settings), Feature(name="measured", routers=(router,))])
