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
    release: str
    """What answers: a deployment waits until it is the new one."""


class Readiness(BaseModel):
    status: Literal["ok", "degraded"]
    failing: dict[str, str]
    """What the service does without for now, and why."""


class NotReadyError(UnavailableError):
    code = "health.not_ready"
    title = "Not ready"


def build_router(checks: tuple[ReadinessCheck, ...], release: str) -> APIRouter:
    router = PrefixRouter(prefix="/health", tags=["health"])

    @router.get("/live")
    async def check_liveness() -> Health:
        """Tell that the process answers. Nothing else is checked."""
        return Health(release=release)

    @router.get("/ready", responses=raises(NotReadyError))
    async def check_readiness(request: Request) -> Readiness:
        """Tell that everything a request needs answers; name what does not.

        Degraded: what is named is out of reach, but requests are answered without it.
        """
        reasons = await asyncio.gather(*(_run(check, request) for check in checks))
        results = zip(checks, reasons, strict=True)
        failing = {check: reason for check, reason in results if reason is not None}
        named = {check.name: reason for check, reason in failing.items()}
        if any(check.is_required for check in failing):
            logger.warning("not ready", **named)
            detail = "; ".join(f"{name}: {reason}" for name, reason in named.items())
            raise NotReadyError(detail, retry_after_seconds=5)
        if failing:
            logger.warning("ready, but degraded", **named)
        return Readiness(status="degraded" if failing else "ok", failing=named)

    return router


async def _run(check: ReadinessCheck, request: Request) -> str | None:
    """Why it failed."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            await check.check(request.scope["state"])
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT_SECONDS:g} seconds"
    except UnavailableError as exc:
        return exc.detail
    except Exception as exc:  # noqa: BLE001 (whatever it is, the service is not ready)
        return type(exc).__name__
    return None
