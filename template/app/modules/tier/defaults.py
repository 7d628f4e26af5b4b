"""The tiers to begin with; from then on they are the owner's to change."""

from collections.abc import Sequence

from .models import EVERY_ROUTE
from .schemas import RateLimitCreate, TierCreate


def default_tiers() -> Sequence[tuple[TierCreate, Sequence[RateLimitCreate]]]:
    """One that changes nothing, and one to pay for."""
    # Ten times what the service allows by itself, which is made for people: 50 a second.
    often = RateLimitCreate(name="Every route", path=EVERY_ROUTE, limit=3000, period=60)
    return [
        (TierCreate(name="free", description="What the service allows everybody"), []),
        (TierCreate(name="pro", description="For programs"), [often]),
    ]
