"""The roles to begin with; from then on they are the owner's to change."""

from collections.abc import Collection

from app.core.extensions import Extensions
from app.modules.user.permissions import READ_USERS, Permission

from .models import Role
from .permissions import READ_ROLES


def default_roles(extensions: Extensions) -> list[Role]:
    """Far enough apart to put others between and above them."""
    everything = [it.name for it in extensions.of(Permission) if not it.is_general]
    return [
        _role("admin", 80, "Everything, with accounts and roles below", everything),
        _role("moderator", 40, "Look into accounts", [READ_USERS.name, READ_ROLES.name]),
    ]


def _role(name: str, rank: int, description: str, permissions: Collection[str]) -> Role:
    role = Role(name=name, rank=rank, description=description, entries=[])
    role.permit(permissions)
    return role
