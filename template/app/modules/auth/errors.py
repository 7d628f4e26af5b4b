from uuid import UUID

from app.core.errors import ForbiddenError, NotFoundError, UnauthenticatedError


class InvalidCredentialsError(UnauthenticatedError):
    code = "auth.invalid_credentials"
    title = "Invalid credentials"

    def __init__(self) -> None:
        # The same for an unknown account, a wrong password and a closed account.
        super().__init__("The username or the password is wrong.")


class HaltedLoginError(UnauthenticatedError):
    """A `LoginStep` asks for a code, which a `LoginCompletion` takes."""

    def __init__(self, detail: str, *, challenge: str, expires_in: int) -> None:
        """`challenge` stands for the login until then, for so many seconds."""
        super().__init__(detail, challenge=challenge, expires_in=expires_in)
        self.login_challenge = challenge


class InvalidRefreshTokenError(UnauthenticatedError):
    code = "auth.invalid_refresh_token"
    title = "Invalid refresh token"

    def __init__(self) -> None:
        # The same whether it is unknown, used, expired or revoked.
        super().__init__("The refresh token does not count any more. Log in again.")


class InvalidScopeError(ForbiddenError):
    code = "auth.invalid_scope"
    title = "Invalid scope"

    def __init__(self) -> None:
        super().__init__("The scope asks for more than this account may do.")


class SessionNotFoundError(NotFoundError):
    code = "auth.session_not_found"
    title = "Session not found"

    def __init__(self, session_id: UUID) -> None:
        super().__init__(f"You have no session with the id {session_id}.")
