from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from .passwords import PasswordHasher
from .tokens import AccessTokens


async def get_passwords(connection: HTTPConnection) -> PasswordHasher:
    return cast("PasswordHasher", connection.state.passwords)


def tokens_of(connection: HTTPConnection) -> AccessTokens:
    return cast("AccessTokens", connection.state.tokens)


async def get_tokens(connection: HTTPConnection) -> AccessTokens:
    return tokens_of(connection)


PasswordHasherDep = Annotated[PasswordHasher, Depends(get_passwords)]
AccessTokensDep = Annotated[AccessTokens, Depends(get_tokens)]
