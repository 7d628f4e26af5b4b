from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement

from app.core.extensions import Extensions
from app.infrastructure.database.errors import translate_violations
from app.infrastructure.security.events import SecurityEvents
from app.modules.common.pagination import PageQuery
from app.modules.user.models import CurrentUser, User
from app.modules.user.permissions import Permission, Policy, rank_of
from app.modules.user.schemas import UserAdminRead
from app.modules.user.service import UserReader, UserService, lock_user

from .crud import RoleCRUD, has_role
from .errors import (
    PermissionNotHeldError,
    RoleInUseError,
    RoleNameTakenError,
    RoleNotFoundError,
    RoleOutrankedError,
    UnknownPermissionError,
    UnknownRoleError,
)
from .models import Role
from .schemas import (
    Dashboard,
    RoleCreate,
    RoleSummary,
    RoleUpdate,
    UserRoleQuery,
    UserWithRoles,
)


class RoleReader:
    def __init__(self, roles: RoleCRUD, users: UserReader) -> None:
        self.roles = roles
        self.users = users

    async def get(self, role_id: UUID) -> Role:
        role = await self.roles.get(role_id)
        if role is None:
            raise RoleNotFoundError(role_id)
        return role

    async def page(self, query: PageQuery) -> tuple[Sequence[Role], int]:
        """Highest rank first."""
        return await self.roles.page(
            self.roles.highest_first(), limit=query.items_per_page, offset=query.offset
        )

    async def of_user(self, user_id: UUID) -> Sequence[Role]:
        await self.users.get(user_id)
        return await self.roles.of_user(user_id)

    async def users_page(self, query: UserRoleQuery) -> tuple[list[UserWithRoles], int]:
        """Two queries, however many accounts and roles."""
        criteria: list[ColumnElement[bool]] = []
        if query.status is not None:
            criteria.append(User.is_active.is_(query.status == "active"))
        if query.role is not None:
            criteria.append(has_role(query.role))
        users, total = await self.users.page(query, query.search, *criteria)
        roles: dict[UUID, list[RoleSummary]] = {user.id: [] for user in users}
        for user_id, role in await self.roles.of_users(roles.keys()):
            roles[user_id].append(RoleSummary.model_validate(role))
        return [
            UserWithRoles(**UserAdminRead.model_validate(user).model_dump(), roles=roles[user.id])
            for user in users
        ], total

    async def dashboard(self) -> Dashboard:
        """Two queries, however many roles."""
        totals = await self.roles.totals(datetime.now(UTC))
        return Dashboard.model_validate({**totals, "users_by_role": await self.roles.by_role()})


@dataclass(frozen=True, slots=True)
class Manager:
    """Who manages roles, and what is theirs to give."""

    user: CurrentUser
    permissions: frozenset[str]
    """What they hold, by the credential they use."""


class RoleService(RoleReader):
    """Changes what others may do, without letting anybody gain by it.

    A manager reaches accounts and roles below their own rank only, and adds no permission to a role
    or an account that they do not hold. Superusers stand above every rank and hold everything.
    """

    def __init__(
        self,
        roles: RoleCRUD,
        users: UserService,
        events: SecurityEvents,
        manager: Manager,
        extensions: Extensions,
    ) -> None:
        super().__init__(roles, users)
        self.accounts = users
        self.events = events
        self.manager = manager
        self.policies = extensions.of(Policy)
        self.grantable = {it.name for it in extensions.of(Permission) if not it.is_general}

    async def create(self, data: RoleCreate) -> Role:
        await self._require_above(data.rank)
        self._require_known(data.permissions)
        self._require_held(data.permissions)
        role = Role(**data.model_dump(exclude={"permissions"}), entries=[])
        role.permit(data.permissions)
        return await store(self.roles, self.events, role)

    async def update(self, role_id: UUID, data: RoleUpdate) -> Role:
        role = await self.roles.get_locked(role_id)
        if role is None:
            raise RoleNotFoundError(role_id)
        await self._require_above(role.rank)
        if isinstance(data.rank, int):
            await self._require_above(data.rank)
        if isinstance(data.permissions, list):
            # What it has already may stay, even if its module is gone or the manager lacks it.
            added = set(data.permissions) - set(role.permissions)
            self._require_known(added)
            self._require_held(added)
            role.permit(data.permissions)
        values = data.model_dump(exclude={"permissions"})
        with translate_violations(uq_role_name=RoleNameTakenError()):
            await self.roles.update(role, values | {"updated_at": datetime.now(UTC)})
        await self._record("role_updated", role)
        return role

    async def delete(self, role_id: UUID) -> None:
        """Raises `RoleInUseError` while somebody has it, so that nobody loses rights unnoticed."""
        role = await self.roles.get_locked(role_id)
        if role is None:
            raise RoleNotFoundError(role_id)
        await self._require_above(role.rank)
        await self.roles.forget_closed(role_id)
        if await self.roles.is_given(role_id):
            raise RoleInUseError
        await self.roles.delete(role)
        await self._record("role_deleted", role)

    async def replace(self, user_id: UUID, role_ids: Collection[UUID]) -> Sequence[Role]:
        """Give an account these roles and take all others."""
        await lock_user(self.roles.session, user_id)
        user = await self.accounts.get(user_id)
        await self.accounts.require_rank(self.manager.user, user)
        current = {role.id: role for role in await self.roles.of_user(user_id)}
        added = await self._givable(set(role_ids) - current.keys())
        removed = [current[role_id] for role_id in current.keys() - set(role_ids)]
        await assign(self.roles, self.events, user_id, added=added, removed=removed)
        return await self.roles.of_user(user_id)

    async def _givable(self, role_ids: Collection[UUID]) -> Sequence[Role]:
        """To give somebody else a right that one does not have is to take it."""
        roles = await self.roles.get_steady(role_ids)
        if missing := set(role_ids) - {role.id for role in roles}:
            raise UnknownRoleError(missing.pop())
        if roles:
            await self._require_above(max(role.rank for role in roles))
        for role in roles:
            self._require_held(self.grantable.intersection(role.permissions))
        return roles

    async def _require_above(self, rank: int) -> None:
        if self.manager.user.is_superuser:
            return
        own = await rank_of(self.roles.session, self.policies, self.manager.user.id)
        if rank >= own:
            raise RoleOutrankedError

    def _require_known(self, names: Collection[str]) -> None:
        if not self.grantable.issuperset(names):
            raise UnknownPermissionError

    def _require_held(self, names: Collection[str]) -> None:
        if not self.manager.permissions.issuperset(names):
            raise PermissionNotHeldError

    async def _record(self, event: str, role: Role) -> None:
        await record(self.roles, self.events, event, role)


async def store(roles: RoleCRUD, events: SecurityEvents, role: Role) -> Role:
    """Raises `RoleNameTakenError`."""
    with translate_violations(uq_role_name=RoleNameTakenError()):
        await roles.add(role)
    await record(roles, events, "role_created", role)
    return role


async def record(roles: RoleCRUD, events: SecurityEvents, event: str, role: Role) -> None:
    details: dict[str, Any] = {"role": role.name, "rank": role.rank}
    permissions = " ".join(role.permissions)
    await events.record(roles.session, event, None, **details, permissions=permissions)


async def assign(
    roles: RoleCRUD,
    events: SecurityEvents,
    user_id: UUID,
    *,
    added: Collection[Role] = (),
    removed: Collection[Role] = (),
) -> None:
    """Change an account's roles, whoever asks for it; no event where nothing changes."""
    await roles.give(user_id, [role.id for role in added])
    await roles.take(user_id, [role.id for role in removed])
    if added or removed:
        await events.record(
            roles.session,
            "role_changed",
            user_id,
            added=" ".join(sorted(role.name for role in added)),
            removed=" ".join(sorted(role.name for role in removed)),
        )
