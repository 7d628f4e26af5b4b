from app.modules.admin.extension import AdminView
from app.modules.api_key.models import ApiKey
from app.modules.api_key.permissions import MANAGE_API_KEYS

VIEWS = (
    AdminView(
        model=ApiKey,
        name="API key",
        plural="API keys",
        icon="fa-solid fa-key",
        columns=("name", "prefix", "user_id", "last_used_at", "expires_at", "revoked_at"),
        details=("id", "scopes", "last_used_address", "replaced_by_id", "created_at"),
        searched=("name", "prefix"),
        read=MANAGE_API_KEYS,
    ),
)
