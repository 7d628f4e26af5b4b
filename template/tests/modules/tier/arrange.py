"""Tiers and who has them, put into the database directly."""

from itertools import count

from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.tier.models import RateLimit, Tier, UserTier
from app.modules.user.models import User

LIMIT = {"path": "/api/v1/users/me", "limit": 5, "period": 60}
"""What a request asks for."""

_numbers = count(1)


async def create_tier(session: AsyncSession, *, name: str | None = None, **limits: int) -> Tier:
    """`limits` are requests in a minute, by path: of `every` route, or of one below `/users`."""
    tier = Tier(name=name or f"tier{next(_numbers)}")
    session.add(tier)
    await session.flush()
    for key, limit in limits.items():
        path = "*" if key == "every" else f"/api/v1/users/{key}"
        session.add(RateLimit(tier_id=tier.id, name=key, path=path, limit=limit, period=60))
    await session.commit()
    return tier


async def give(session: AsyncSession, user: User, tier: Tier) -> None:
    session.add(UserTier(user_id=user.id, tier_id=tier.id))
    await session.commit()
