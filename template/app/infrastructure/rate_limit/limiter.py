from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import ceil

from starlette.requests import HTTPConnection

from app.core.errors import UnavailableError
from app.core.extensions import Extensions
from app.core.feature import State
from app.core.measures import Counter
from app.core.principal import Principal, PrincipalResolver
from app.infrastructure.redis.outage import RETRY_SECONDS

from .addresses import address_of
from .errors import TooManyRequestsError, UncountedError
from .limits import RateLimit
from .route_table import UNKNOWN, LimitedRoute
from .settings import RateLimitSettings
from .sources import LimitSource
from .stores import LimitStore, Taken

DECISIONS = Counter(
    "rate_limit_decisions",
    "Requests that a limit applies to; uncounted ones came while the store was out of reach.",
    "outcome",
)

LIMIT, REMAINING, RESET = "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"


@dataclass(frozen=True, slots=True)
class Standing:
    """How one limit stands after a request."""

    limit: RateLimit
    remaining: int
    wait: int
    """Milliseconds until another request fits."""
    left: int
    """Milliseconds until the window ends."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Of draft-ietf-httpapi-ratelimit-headers-06, which clients know.

        The later ones put the same into two fields, and each of them changes the form.
        """
        return {
            LIMIT: str(self.limit.amount),
            REMAINING: str(self.remaining),
            RESET: str(_seconds(self.wait or self.left)),
        }


class RateLimiter:
    def __init__(
        self, store: LimitStore, settings: RateLimitSettings, extensions: Extensions
    ) -> None:
        self._store = store
        self._sources = extensions.of(LimitSource)
        self._default = (RateLimit.parse(settings.default),)
        self._anonymous = (RateLimit.parse(settings.anonymous),)

    async def check(
        self, connection: HTTPConnection, route: LimitedRoute | None, state: State
    ) -> Standing | None:
        """Count a request; absent where nothing limits it or nothing could be counted.

        Raises `TooManyRequestsError`, and `UncountedError` for a sensitive route.
        """
        principal = None if route is None else await _principal(connection, route.resolvers)
        limits = await self._limits_of(principal, route, state)
        if not limits:
            return None
        whose = address_of(connection) if principal is None else str(principal.id)
        name = UNKNOWN if route is None else route.name
        taken = await self._store.take([(_key(whose, name, limit), limit) for limit in limits])
        if taken is None:
            DECISIONS.add("uncounted")
            if route is not None and route.declared.is_sensitive:
                raise UncountedError(ceil(RETRY_SECONDS))
            return None
        standing = _tightest(taken, limits)
        DECISIONS.add("allowed" if taken.is_allowed else "refused")
        if not taken.is_allowed:
            raise TooManyRequestsError(_seconds(standing.wait), standing.headers)
        return standing

    async def _limits_of(
        self, principal: Principal | None, route: LimitedRoute | None, state: State
    ) -> Sequence[RateLimit]:
        if route is None:
            return self._anonymous
        declared = route.declared
        if declared.limits == () or declared.is_sensitive:
            return declared.limits or ()
        for source in self._sources:
            try:
                limits = await source.limits_of(principal, route.name, state)
            except UnavailableError:
                continue
            if limits is not None:
                return limits
        if declared.limits is not None:
            return declared.limits
        return self._anonymous if principal is None else self._default


async def _principal(
    connection: HTTPConnection, resolvers: Sequence[PrincipalResolver]
) -> Principal | None:
    for resolver in resolvers:
        if (principal := await resolver.resolve(connection)) is not None:
            return principal
    return None


def _key(whose: str, route: str, limit: RateLimit) -> str:
    """Short whatever the route, and nobody reads in it who called."""
    text = f"{whose} {route} {limit.seconds}"
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _tightest(taken: Taken, limits: Sequence[RateLimit]) -> Standing:
    """The limit that refuses for longest, or else the one that is used up first."""
    standings = [
        Standing(
            limit,
            remaining=max(0, limit.amount - window.used(taken.now, limit)),
            wait=window.wait(taken.now, limit),
            left=window.left(taken.now, limit),
        )
        for window, limit in zip(taken.windows, limits, strict=True)
    ]
    return min(standings, key=lambda it: (-it.wait, it.remaining))


def _seconds(milliseconds: int) -> int:
    """Rounded up: who comes back then is not too early."""
    return max(1, ceil(milliseconds / 1000))
