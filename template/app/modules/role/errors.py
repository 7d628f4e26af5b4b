from uuid import UUID

from app.core.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError


class RoleNotFoundError(NotFoundError):
    code = "role.not_found"
    title = "Role not found"

    def __init__(self, role_id: UUID) -> None:
        super().__init__(f"No role has the id {role_id}.")


class UnknownRoleError(ConflictError):
    """Of a role that the body names: the account that the path names is there."""

    code = "role.unknown"
    title = "Unknown role"

    def __init__(self, role_id: UUID) -> None:
        super().__init__(f"No role has the id {role_id}.")


class RoleNameTakenError(ConflictError):
    code = "role.name_taken"
    title = "Role name already taken"

    def __init__(self) -> None:
        super().__init__("A role with this name already exists.")


class RoleInUseError(ConflictError):
    code = "role.in_use"
    title = "Role in use"

    def __init__(self) -> None:
        super().__init__("Somebody has this role. Take it away from everybody first.")


class UnknownPermissionError(InvalidError):
    code = "role.unknown_permission"
    title = "Unknown permission"

    def __init__(self) -> None:
        super().__init__(
            "`GET /api/v1/permissions` lists what there is; a role may have what is not general."
        )


class RoleOutrankedError(ForbiddenError):
    code = "role.outranked"
    title = "Not below your rank"

    def __init__(self) -> None:
        super().__init__("You may change and give roles of a lower rank than your own only.")


class PermissionNotHeldError(ForbiddenError):
    code = "role.permission_not_held"
    title = "Not yours to give"

    def __init__(self) -> None:
        super().__init__("You may give permissions that you hold yourself, by this credential.")


class RankTooLowError(ForbiddenError):
    code = "role.rank_too_low"
    title = "Rank too low"

    def __init__(self) -> None:
        super().__init__("This takes a role of a higher rank.")
