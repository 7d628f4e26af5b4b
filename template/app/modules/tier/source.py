from collections.abc import Sequence
from typing import cast

from app.core.feature import State
from app.core.principal import Principal
from app.infrastructure.rate_limit.limits import RateLimit
from app.infrastructure.rate_limit.sources import LimitSource

from .limits import TierLimits


class TierSource(LimitSource):
    """Limits by tier, for who has an account; it is not asked about anybody else.

    Each method of a route is counted alone.
    """

    async def limits_of(
        self, principal: Principal | None, route: str, state: State
    ) -> Sequence[RateLimit] | None:
        if principal is None:
            return None
        limits = cast("TierLimits", state["tier_limits"])
        _, path = route.split(" ", 1)
        allowance = await limits.of(principal.id, path)
        return None if allowance is None else [RateLimit(allowance.limit, allowance.period)]
