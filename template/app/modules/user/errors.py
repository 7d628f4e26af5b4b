from collections.abc import Collection
from uuid import UUID

from app.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnauthenticatedError,
)


class NotAuthenticatedError(UnauthenticatedError):
    code = "auth.not_authenticated"
    title = "Not authenticated"

    def __init__(self) -> None:
        super().__init__("Log in and send the access token as `Authorization: Bearer <token>`.")


class InsufficientScopeError(ForbiddenError):
    code = "auth.insufficient_scope"
    title = "Insufficient scope"

    def __init__(self, required: Collection[str]) -> None:
        names = " ".join(sorted(required))
        # RFC 6750 section 3.1.
        self.challenge = 'Bearer error="insufficient_scope"'
        if names:
            self.challenge += f', scope="{names}"'
            super().__init__(f"This takes: {names}.")
        else:
            super().__init__("This takes a full login, not a limited token or a key.")


class OutrankedError(ForbiddenError):
    code = "user.outranked"
    title = "Not below you"

    def __init__(self) -> None:
        super().__init__("You may do this to accounts below yours only, and not to your own.")


class RecentLoginRequiredError(ForbiddenError):
    code = "auth.recent_login_required"
    title = "Recent login required"

    def __init__(self) -> None:
        super().__init__("Prove again who you are: `POST /api/v1/auth/confirm`, or log in again.")


class RegistrationClosedError(ForbiddenError):
    code = "user.registration_closed"
    title = "Registration closed"

    def __init__(self) -> None:
        super().__init__("New accounts are made by the administrators.")


class WrongPasswordError(ForbiddenError):
    code = "user.wrong_password"
    title = "Wrong password"

    def __init__(self) -> None:
        super().__init__("This takes the account's `current_password`.")


class WeakPasswordError(InvalidError):
    code = "user.weak_password"
    title = "Weak password"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The password {reason}. Choose another one: a few random words do well.")


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
