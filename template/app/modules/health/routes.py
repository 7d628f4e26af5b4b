import asyncio
from typing import Literal

import structlog
from fastapi import APIRouter, Request
from pydantic import BaseModel

from app.core.errors import UnavailableError
from app.core.feature import ReadinessCheck
from app.core.routing import PrefixRouter
from app.modules.common.problems import raises

logger = structlog.get_logger()

# Below the three to five seconds that platforms give a probe.
CHECK_TIMEOUT_SECONDS = 2.0


class Health(BaseModel):
    status: Literal["ok"] = "ok"


class NotReadyError(UnavailableError):
    code = "health.not_ready"
    title = "Not ready"


def build_router(checks: tuple[ReadinessCheck, ...]) -> APIRouter:
    router = PrefixRouter(prefix="/health", tags=["health"])

    @router.get("/live")
    async def check_liveness() -> Health:
        """Tell that the process answers. Nothing else is checked."""
        return Health()

    @router.get("/ready", responses=raises(NotReadyError))
    async def check_readiness(request: Request) -> Health:
        """Tell that everything a request needs answers; name what does not."""
        results = await asyncio.gather(*(_run(check, request) for check in checks))
        failing = {name: reason for name, reason in results if reason is not None}
        if failing:
            logger.warning("not ready", **failing)
            detail = "; ".join(f"{name}: {reason}" for name, reason in failing.items())
            raise NotReadyError(detail, retry_after_seconds=5)
        return Health()

    return router


async def _run(check: ReadinessCheck, request: Request) -> tuple[str, str | None]:
    """The check's name, and why it failed."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            await check.check(request.scope["state"])
    except TimeoutError:
        return check.name, f"no answer within {CHECK_TIMEOUT_SECONDS:g} seconds"
    except UnavailableError as exc:
        return check.name, exc.detail
    except Exception as exc:  # noqa: BLE001 (whatever it is, the service is not ready)
        return check.name, type(exc).__name__
    return check.name, None
