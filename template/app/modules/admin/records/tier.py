from app.modules.admin.extension import AdminView
from app.modules.tier.models import RateLimit, Tier
from app.modules.tier.permissions import READ_TIERS

VIEWS = (
    AdminView(
        model=Tier,
        name="Tier",
        plural="Tiers",
        icon="fa-solid fa-layer-group",
        columns=("name", "description", "created_at"),
        details=("id", "updated_at"),
        searched=("name", "description"),
        read=READ_TIERS,
    ),
    AdminView(
        model=RateLimit,
        name="Limit",
        plural="Limits",
        icon="fa-solid fa-gauge",
        columns=("name", "path", "limit", "period", "tier_id"),
        details=("id", "created_at", "updated_at"),
        searched=("name", "path"),
        read=READ_TIERS,
    ),
)
