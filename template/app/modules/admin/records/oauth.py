from app.modules.admin.extension import AdminView
from app.modules.oauth.models import OAuthAccount
from app.modules.user.permissions import READ_USERS

VIEWS = (
    AdminView(
        model=OAuthAccount,
        name="Linked account",
        plural="Linked accounts",
        icon="fa-solid fa-link",
        columns=("provider", "email", "user_id", "created_at", "last_login_at"),
        details=("id", "subject"),
        searched=("provider", "email"),
        read=READ_USERS,
    ),
)
