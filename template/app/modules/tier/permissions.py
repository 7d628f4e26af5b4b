from app.modules.user.permissions import Permission

READ_TIERS = Permission("tiers:read", "Read tiers, and who has which", is_general=False)
MANAGE_TIERS = Permission(
    "tiers:manage", "Change tiers and their rate limits, and give them to others", is_general=False
)
