from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.core.late import Late

from .events import SecurityEvents
from .keys import Keyring
from .passwords import PasswordHasher
from .settings import AuthSettings

if TYPE_CHECKING:
    from .tokens import AccessTokens


async def get_passwords(connection: HTTPConnection) -> PasswordHasher:
    return cast("PasswordHasher", connection.state.passwords)


def tokens_of(connection: HTTPConnection) -> "AccessTokens":
    return cast("Late[AccessTokens]", connection.state.tokens)()


async def get_keyring(connection: HTTPConnection) -> Keyring:
    return cast("Keyring", connection.state.keyring)


def events_of(connection: HTTPConnection) -> SecurityEvents:
    return cast("SecurityEvents", connection.state.events)


async def get_events(connection: HTTPConnection) -> SecurityEvents:
    return events_of(connection)


async def get_auth_settings(connection: HTTPConnection) -> AuthSettings:
    return cast("AuthSettings", connection.state.auth_settings)


AuthSettingsDep = Annotated[AuthSettings, Depends(get_auth_settings)]
PasswordHasherDep = Annotated[PasswordHasher, Depends(get_passwords)]
KeyringDep = Annotated[Keyring, Depends(get_keyring)]
SecurityEventsDep = Annotated[SecurityEvents, Depends(get_events)]
