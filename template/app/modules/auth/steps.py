"""What other features may have a say in when somebody logs in."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, SecretStr
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from .models import LoginSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Somebody who has proved who they are, at least in one way."""

    user_id: UUID
    methods: frozenset[str]
    """In the words of RFC 8176: `pwd`, `otp`, ..., and `fed` for another provider's word."""
    grant: str | None = None
    """In what form they want to be logged in: a `Grant`'s name; absent for somebody who is logged
    in and proves it again."""
    scopes: Collection[str] | None = None
    password_hash: str | None = None
    """What the password was checked against: a login does not complete if it has changed since."""


class LoginStep(ABC):
    """Asks for more before a login is complete; an entry of `Feature.extensions`."""

    @abstractmethod
    async def check(self, session: AsyncSession, login: Login) -> None:
        """Raise the error that says what is missing."""


class LoginCompletion(ABC):
    """Completes logins halted with a `HaltedLoginError`; an entry of `Feature.extensions`."""

    @abstractmethod
    async def redeem(
        self, connection: HTTPConnection, grant: str, challenge: SecretStr, code: SecretStr
    ) -> Login:
        """The login, with what was missing. Raises an `UnauthenticatedError` for a wrong code."""


class Grant(ABC):
    """A form in which a login is handed to the client; an entry of `Feature.extensions`."""

    name: ClassVar[str]
    is_for_clients: ClassVar[bool] = True
    """Whether clients of the API choose it. Otherwise its feature alone begins and ends logins."""
    schema: ClassVar[type[BaseModel]]
    """The body of the answer."""

    @abstractmethod
    async def issue(
        self,
        connection: HTTPConnection,
        response: Response,
        session: AsyncSession,
        login_session: LoginSession,
    ) -> BaseModel:
        """In the transaction that opens the session; cookies go into `response`."""


class SessionRenewal(ABC):
    """Replaces what a client holds of a session; an entry of `Feature.extensions`.

    Asked to when the person has proved again who they are or has changed the password.
    """

    @abstractmethod
    async def renew(
        self,
        connection: HTTPConnection,
        response: Response,
        session: AsyncSession,
        login_session: LoginSession,
    ) -> None:
        """Called for every `kind` of session."""
