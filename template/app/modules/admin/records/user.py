from collections.abc import Mapping
from typing import Any

from app.infrastructure.security.dependencies import events_of
from app.modules.admin.entrance import password_check
from app.modules.admin.extension import AdminView, RecordEditor, Work
from app.modules.auth.models import LoginSession
from app.modules.user.dependencies import get_user_service
from app.modules.user.models import User
from app.modules.user.permissions import MANAGE_USERS, READ_USERS
from app.modules.user.schemas import UserUpdate


class UserEditor(RecordEditor):
    """As the API does: not oneself and nobody above, and whoever is deactivated is out at once."""

    async def update(self, work: Work, record: User, changes: Mapping[str, Any]) -> None:
        users = await get_user_service(
            work.session, events_of(work.request), password_check(work.request), work.request
        )
        by = work.caller.user
        await users.get_managed(record.id, by=by)
        profile = UserUpdate.model_validate(
            {name: value for name, value in changes.items() if name != "is_active"}
        )
        await users.update(record.id, profile, email=record.email)
        if "is_active" in changes:
            change = users.activate if changes["is_active"] else users.deactivate
            await change(record.id, by=by)


VIEWS = (
    AdminView(
        model=User,
        name="User",
        plural="Users",
        icon="fa-solid fa-user",
        columns=("username", "name", "email", "is_active", "is_superuser", "created_at"),
        details=("id", "email_verified", "profile_image_url", "updated_at"),
        searched=("username", "name", "email"),
        editable=("name", "is_active"),
        editor=UserEditor(),
        account="id",
        read=READ_USERS,
        write=MANAGE_USERS,
    ),
    AdminView(
        model=LoginSession,
        name="Session",
        plural="Sessions",
        icon="fa-solid fa-right-to-bracket",
        columns=("user_id", "kind", "methods", "last_used_at", "expires_at", "revoked_at"),
        details=("id", "scope", "authenticated_at", "address", "user_agent", "created_at"),
        searched=("kind",),
        read=READ_USERS,
    ),
)
