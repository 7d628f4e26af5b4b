"""The service with 200 routes more: 20 modules of 10, after its own, all through its own factory and router."""

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import load_settings
from app.core.feature import Feature
from app.core.routing import PrefixRouter
from app.infrastructure.logging.setup import configure_logging
from pydantic import BaseModel

MODULES = 20
ROUTES = 10


class Answer(BaseModel):
    status: str = "ok"


async def answer() -> Answer:
    return Answer()


def module(number: int) -> Feature:
    name = f"module{number:02}"
    router = PrefixRouter(prefix=f"/{name}", tags=[name])
    for route in range(ROUTES):
        router.add_api_route(f"/action{route}", answer, name=f"{name}_{route}", methods=["GET"])
    return Feature(name=name, routers=(router,))


settings = load_settings()
configure_logging(settings.log, deployed=settings.environment.is_deployed)
app = create_app(settings, [*enabled_features(settings), *map(module, range(MODULES))])
