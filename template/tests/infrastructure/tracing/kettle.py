"""A module to follow."""

import structlog

from app.core.errors import UnavailableError
from app.core.feature import Feature
from app.core.routing import PrefixRouter

logger = structlog.get_logger()


class OutOfReachError(UnavailableError):
    code = "kettle.out_of_reach"
    title = "The kettle cannot be reached"


def kettle() -> Feature:
    router = PrefixRouter(prefix="/kettles", tags=["kettle"])

    @router.get("/{name}")
    async def look(name: str) -> str:
        structlog.contextvars.bind_contextvars(user_id="7")
        logger.info("looked")
        return name

    @router.post("/{name}")
    async def boil(name: str) -> None:
        raise RuntimeError(f"hunter2 and {name}")

    @router.delete("/{name}")
    async def refuse(name: str) -> None:
        raise OutOfReachError(f"Try {name} later.", retry_after_seconds=1)

    return Feature(name="kettle", routers=(router,))
