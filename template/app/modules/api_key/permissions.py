from app.modules.user.permissions import Permission

MANAGE_API_KEYS = Permission(
    "api_keys:manage", "List and revoke the API keys of all accounts", is_general=False
)
