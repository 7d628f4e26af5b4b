from pydantic import SecretStr

from app.infrastructure.database.database import Database
from app.infrastructure.security.passwords import PasswordHasher
from app.infrastructure.security.tokens import AccessTokens
from app.modules.user.schemas import canonical_email
from app.modules.user.service import find_for_login, store_password_hash

from .errors import InvalidCredentialsError
from .schemas import TokenRead


class AuthService:
    """Logs people in.

    It opens sessions of its own, so that no connection is held while a password is checked.
    """

    def __init__(self, database: Database, passwords: PasswordHasher, tokens: AccessTokens) -> None:
        self.database = database
        self.passwords = passwords
        self.tokens = tokens

    async def log_in(self, identifier: str, password: SecretStr) -> TokenRead:
        """`identifier` is a username or an e-mail address, in any case."""
        async with self.database.reading() as session:
            user = await find_for_login(session, _canonical(identifier))
        is_right, better = await self.passwords.verify(
            password, user.hashed_password if user else None
        )
        if user is None or not is_right or not user.is_active:
            raise InvalidCredentialsError
        if better is not None:
            async with self.database.transaction() as session:
                await store_password_hash(session, user.id, better)
        issued = self.tokens.issue(user.id)
        return TokenRead(access_token=issued.token, expires_in=issued.expires_in_seconds)


def _canonical(identifier: str) -> str:
    if "@" not in identifier:
        return identifier.lower()
    try:
        return canonical_email(identifier)
    except ValueError:
        raise InvalidCredentialsError from None
