"""Roles and who has them, put into the database directly."""

from collections.abc import Iterable
from itertools import count

from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.role.models import Role, UserRole
from app.modules.user.models import User
from tests.fixtures.auth import create_user

ADMIN = ("roles:manage", "roles:read", "users:manage", "users:read")

_numbers = count(1)


async def create_role(
    session: AsyncSession, *permissions: str, rank: int = 20, name: str | None = None
) -> Role:
    role = Role(name=name or f"role{next(_numbers)}", description="", rank=rank, entries=[])
    role.permit(permissions)
    session.add(role)
    await session.commit()
    return role


async def give(session: AsyncSession, user: User, *roles: Role) -> None:
    session.add_all(UserRole(user_id=user.id, role_id=role.id) for role in roles)
    await session.commit()


async def create_member(session: AsyncSession, *permissions: str, rank: int = 20) -> User:
    """An account with a role of its own."""
    user = await create_user(session)
    await give(session, user, await create_role(session, *permissions, rank=rank))
    return user


def names(roles: Iterable[dict[str, object]]) -> list[object]:
    return [role["name"] for role in roles]


async def names_of(client: AsyncClient, user: User) -> list[object]:
    """What `client` is told about the roles of `user`."""
    return names((await client.get(f"users/{user.id}/roles")).json())


def ids(*roles: Role) -> dict[str, list[str]]:
    """The request that asks for exactly these."""
    return {"roles": [str(role.id) for role in roles]}
