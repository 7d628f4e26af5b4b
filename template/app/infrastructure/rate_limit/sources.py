from abc import ABC, abstractmethod
from collections.abc import Sequence

from app.core.feature import State
from app.core.principal import Principal

from .limits import RateLimit


class LimitSource(ABC):
    """Knows limits that the settings do not; an entry of `Feature.extensions`.

    Sources are asked in the order of the features, and the first that answers decides, before what
    the route declares and before the settings.
    """

    @abstractmethod
    async def limits_of(
        self, principal: Principal | None, route: str, state: State
    ) -> Sequence[RateLimit] | None:
        """All of which hold at once; none at all if empty. None: it is not for this source to say.

        `principal` is nobody for who is counted by network address. `route` is the method and the
        template, `GET /api/v1/orders/{order_id}`; `state` is what the features opened. Asked on
        every request, so answer from memory. An `UnavailableError` counts as None.
        """
