from app.core.errors import UnauthenticatedError


class InvalidCredentialsError(UnauthenticatedError):
    code = "auth.invalid_credentials"
    title = "Invalid credentials"

    def __init__(self) -> None:
        # The same for an unknown account, a wrong password and a closed account.
        super().__init__("The username or the password is wrong.")
