from app.modules.user.permissions import Permission

RESET_TWO_FACTOR = Permission(
    "two_factor:reset", "Take the second factor off an account", is_general=False
)
