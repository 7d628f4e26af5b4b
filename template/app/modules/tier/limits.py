"""What somebody's tier allows, without a query for each request."""

from time import monotonic
from uuid import UUID

from app.infrastructure.database.database import Database

from .crud import Allowance, allowances_of
from .models import EVERY_ROUTE
from .settings import TierSettings


class TierLimits:
    """Remembers for a while who has which tier, and what a tier allows.

    A change is seen by the other processes only when that while is over.
    """

    def __init__(self, database: Database, settings: TierSettings) -> None:
        self._database = database
        self._settings = settings
        self._changes = 0
        # The time until which it is good, and the id of the tier; the oldest comes first.
        self._users: dict[UUID, tuple[float, UUID | None]] = {}
        self._tiers: dict[UUID | None, tuple[float, dict[str, Allowance]]] = {}

    async def of(self, user_id: UUID, path: str) -> Allowance | None:
        """What the user may do on a route, by its template; None if their tier does not say."""
        allowances = self._known(user_id)
        if allowances is None:
            allowances = await self._load(user_id)
        return allowances.get(path) or allowances.get(EVERY_ROUTE)

    def forget(self, user_id: UUID | None = None) -> None:
        """What is known of one user, or all."""
        self._changes += 1
        if user_id is None:
            self._users.clear()
            self._tiers.clear()
        else:
            self._users.pop(user_id, None)

    def _known(self, user_id: UUID) -> dict[str, Allowance] | None:
        now = monotonic()
        until, tier_id = self._users.get(user_id, (0.0, None))
        if until <= now:
            return None
        until, allowances = self._tiers.get(tier_id, (0.0, {}))
        return allowances if until > now else None

    async def _load(self, user_id: UUID) -> dict[str, Allowance]:
        changes, until = self._changes, monotonic() + self._settings.cache_seconds
        async with self._database.reading() as session:
            tier_id, allowances = await allowances_of(session, user_id, self._settings.default)
        # What was read before a change must not outlive it.
        if changes == self._changes:
            self._users.pop(user_id, None)
            self._users[user_id] = (until, tier_id)
            self._tiers[tier_id] = (until, allowances)
            if len(self._users) > self._settings.cache_size:
                del self._users[next(iter(self._users))]
        return allowances
