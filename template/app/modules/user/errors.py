from uuid import UUID

from app.core.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    UnauthenticatedError,
)


class NotAuthenticatedError(UnauthenticatedError):
    code = "auth.not_authenticated"
    title = "Not authenticated"

    def __init__(self) -> None:
        super().__init__("Log in and send the access token as `Authorization: Bearer <token>`.")


class SuperuserRequiredError(ForbiddenError):
    code = "auth.superuser_required"
    title = "Superuser required"

    def __init__(self) -> None:
        super().__init__("Only a superuser may do this.")


class WrongPasswordError(ForbiddenError):
    code = "user.wrong_password"
    title = "Wrong password"

    def __init__(self) -> None:
        super().__init__("Changing the e-mail address takes the account's `current_password`.")


class UserNotFoundError(NotFoundError):
    code = "user.not_found"
    title = "User not found"

    def __init__(self, user_id: UUID) -> None:
        super().__init__(f"No user has the id {user_id}.")


class EmailTakenError(ConflictError):
    code = "user.email_taken"
    title = "E-mail address already registered"

    def __init__(self) -> None:
        super().__init__("An account with this e-mail address already exists.")


class UsernameTakenError(ConflictError):
    code = "user.username_taken"
    title = "Username already taken"

    def __init__(self) -> None:
        super().__init__("An account with this username already exists.")
