from typing import Annotated, Literal
from uuid import UUID

from pydantic import MISSING, Field

from app.modules.common.pagination import PageQuery
from app.modules.common.schemas import (
    ONE_LINE,
    SEVERAL_LINES,
    RecordSchema,
    RequestSchema,
    Schema,
)
from app.modules.user.schemas import UserAdminRead

from .models import DESCRIPTION_LENGTH, NAME_LENGTH, PERMISSION_LENGTH

# More than one person needs; the bound keeps requests and answers small.
MOST_ROLES = 20

# Lower case, so that nobody takes `Admin` for `admin`.
RoleName = Annotated[
    str,
    Field(min_length=2, max_length=NAME_LENGTH, pattern=r"^[a-z][a-z0-9_-]*$", examples=["editor"]),
]
Description = Annotated[str, Field(max_length=DESCRIPTION_LENGTH), SEVERAL_LINES]
# 0 is the rank of who has no role, so such a role puts nobody above anybody.
Rank = Annotated[int, Field(ge=0, le=100, examples=[20])]
# `PermissionEnum` adds to the API's description which ones there are.
PermissionNames = Annotated[
    list[Annotated[str, Field(max_length=PERMISSION_LENGTH)]], Field(max_length=200)
]


class PermissionRead(Schema):
    name: str
    description: str
    is_general: bool
    """Whether everybody holds it anyway; a role cannot have it then."""


class RoleBase(RequestSchema):
    name: RoleName
    description: Description = ""
    rank: Rank = 0
    permissions: PermissionNames = Field(default_factory=list)


class RoleCreate(RoleBase):
    pass


class RoleUpdate(RequestSchema):
    """A field left out is left alone; `permissions` replaces all that the role had."""

    name: RoleName | MISSING = MISSING
    description: Description | MISSING = MISSING
    rank: Rank | MISSING = MISSING
    permissions: PermissionNames | MISSING = MISSING


class RoleRead(RecordSchema):
    name: str
    description: str
    rank: int
    permissions: list[str]


class RoleSummary(Schema):
    id: UUID
    name: str
    rank: int


class UserRolesUpdate(RequestSchema):
    roles: Annotated[list[UUID], Field(max_length=MOST_ROLES)]
    """The ids of all roles that the account is to have."""


class UserWithRoles(UserAdminRead):
    roles: list[RoleSummary]


class UserRoleQuery(PageQuery):
    search: Annotated[str, Field(max_length=100), ONE_LINE] | None = None
    status: Literal["active", "inactive"] | None = None
    role: RoleName | None = None


class RoleCount(RoleSummary):
    users: int


class Dashboard(Schema):
    """Closed accounts count nowhere."""

    total_users: int
    active_users: int
    inactive_users: int
    verified_users: int
    live_sessions: int
    users_by_role: list[RoleCount]
    """Highest rank first; who has several roles counts in each."""
