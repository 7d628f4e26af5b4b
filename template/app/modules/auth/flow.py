from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from app.core.errors import ForbiddenError, UnauthenticatedError
from app.core.extensions import Extensions
from app.infrastructure.database.session import database_of
from app.infrastructure.security.dependencies import events_of
from app.infrastructure.security.settings import AuthSettings
from app.modules.user.dependencies import authentication_of
from app.modules.user.models import User
from app.modules.user.service import may_still_log_in

from .errors import InvalidCredentialsError, InvalidScopeError
from .models import LoginSession
from .sessions import LoginSessions
from .steps import Grant, Login, LoginStep, SessionRenewal


@dataclass(frozen=True, slots=True)
class LoginFlow:
    """Brings a login to its end, however it began: by password, by another provider, by a code."""

    connection: HTTPConnection

    @property
    def _extensions(self) -> Extensions:
        return cast("Extensions", self.connection.state.extensions)

    @property
    def _settings(self) -> AuthSettings:
        return cast("AuthSettings", self.connection.state.auth_settings)

    async def scopes(self, requested: str, user: User) -> Collection[str] | None:
        """What to limit a login to. Raises `InvalidScopeError` for more than the user holds."""
        if not requested:
            return None
        scopes = frozenset(requested.split())
        held = await authentication_of(self.connection).held(
            self.connection, user.id, is_superuser=user.is_superuser
        )
        if not scopes <= held:
            async with database_of(self.connection).transaction() as session:
                await events_of(self.connection).record(
                    session,
                    "unauthorized_access",
                    user.id,
                    actor_id=user.id,
                    is_warning=True,
                    reason="scope not held",
                )
            raise InvalidScopeError
        return scopes

    async def complete(self, login: Login, response: Response) -> BaseModel:
        """Take every further step, open the session and hand it out; one transaction.

        Returns the body that the grant's `schema` describes. Raises what a `LoginStep` asks for,
        and `InvalidCredentialsError` if the account was closed or its password changed meanwhile.
        """
        grant = next(it for it in self._extensions.of(Grant) if it.name == login.grant)
        async with self._past_steps(login) as session:
            if not await may_still_log_in(session, login.user_id, login.password_hash):
                raise InvalidCredentialsError
            sessions = LoginSessions(session, events_of(self.connection), self._settings)
            login_session = await sessions.open(login)
            return await grant.issue(self.connection, response, session, login_session)

    async def confirm(self, login: Login, session_id: UUID, response: Response) -> None:
        """Let a session that is open already count as a recent login; the same steps."""
        async with self._past_steps(login) as session:
            sessions = LoginSessions(session, events_of(self.connection), self._settings)
            if (record := await sessions.get(session_id)) is not None:
                await sessions.confirm(record, login.methods)
                await self._renew(response, session, record)

    async def renew(self, session_id: UUID, response: Response) -> None:
        """Replace what the client of a session holds, for whoever else may hold it too."""
        async with database_of(self.connection).transaction() as session:
            sessions = LoginSessions(session, events_of(self.connection), self._settings)
            if (record := await sessions.get(session_id)) is not None:
                await self._renew(response, session, record)

    async def _renew(self, response: Response, session: AsyncSession, record: LoginSession) -> None:
        for renewal in self._extensions.of(SessionRenewal):
            await renewal.renew(self.connection, response, session, record)

    @asynccontextmanager
    async def _past_steps(self, login: Login) -> AsyncGenerator[AsyncSession]:
        """The transaction in which every step has been taken."""
        database, events = database_of(self.connection), events_of(self.connection)
        try:
            async with database.transaction() as session:
                for step in self._extensions.of(LoginStep):
                    await step.check(session, login)
                yield session
        except (UnauthenticatedError, ForbiddenError) as exc:
            # Whoever comes this far knows the password, say: worth a trace, and the refusal has
            # rolled back everything else.
            async with database.transaction() as session:
                methods = " ".join(sorted(login.methods))
                await events.record(
                    session, "login_halted", login.user_id, reason=exc.code, methods=methods
                )
            raise
