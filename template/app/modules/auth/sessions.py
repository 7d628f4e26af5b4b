"""Login sessions: what ends when somebody logs out, and what everything else hangs on."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.security.context import current_origin
from app.infrastructure.security.events import (
    ALL_SESSIONS_ENDED,
    SecurityEvents,
)
from app.infrastructure.security.settings import AuthSettings

from .crud import LoginSessionCRUD
from .errors import SessionNotFoundError
from .models import LoginSession
from .steps import Login


class LoginSessions:
    def __init__(
        self, session: AsyncSession, events: SecurityEvents, settings: AuthSettings
    ) -> None:
        self.sessions = LoginSessionCRUD(session)
        self.events = events
        self.settings = settings

    async def open(self, login: Login) -> LoginSession:
        """The oldest ones of the user end where there would be too many."""
        now, origin = datetime.now(UTC), current_origin()
        most = self.settings.sessions_per_user - 1
        surplus = (await self.sessions.live_of(login.user_id, now))[most:]
        await self._revoke(login.user_id, [it.id for it in surplus], actor_id=login.user_id)
        record = await self.sessions.add(
            LoginSession(
                user_id=login.user_id,
                kind=login.grant or "",
                methods=" ".join(sorted(login.methods)),
                scope=None if login.scopes is None else " ".join(sorted(login.scopes)),
                authenticated_at=now,
                last_used_at=now,
                expires_at=now + timedelta(seconds=self.settings.session_ttl_seconds),
                address=origin.address,
                user_agent=origin.user_agent,
            )
        )
        await self.events.record(
            self.sessions.session,
            "login_success",
            login.user_id,
            actor_id=login.user_id,
            kind=record.kind,
            methods=record.methods,
        )
        return record

    async def live_of(self, user_id: UUID) -> Sequence[LoginSession]:
        """Newest first."""
        return await self.sessions.live_of(user_id, datetime.now(UTC))

    async def log_out(self, session_id: UUID, user_id: UUID) -> None:
        """The tokens and cookies of the session count no more, from now on."""
        await self.sessions.revoke(now=datetime.now(UTC), only=[session_id])
        await self.events.record(self.sessions.session, "logout", user_id)

    async def revoke(self, user_id: UUID, session_id: UUID) -> None:
        """Raises `SessionNotFoundError` for one that is over or somebody else's."""
        if session_id not in {it.id for it in await self.live_of(user_id)}:
            raise SessionNotFoundError(session_id)
        await self._revoke(user_id, [session_id])

    async def revoke_all(self, user_id: UUID, *, but: UUID | None = None) -> None:
        """End every session of a user, or every other one."""
        await self._revoke(user_id, [it.id for it in await self.live_of(user_id) if it.id != but])

    async def _revoke(
        self, user_id: UUID, session_ids: Sequence[UUID], *, actor_id: UUID | None = None
    ) -> None:
        count = await self.sessions.revoke(now=datetime.now(UTC), only=session_ids)
        if count:
            await self.events.record(
                self.sessions.session,
                "token_revoked",
                user_id,
                actor_id=actor_id,
                sessions=count,
            )

    async def get(self, session_id: UUID) -> LoginSession | None:
        return await self.sessions.get(session_id)

    async def confirm(self, record: LoginSession, methods: frozenset[str]) -> None:
        """Note that the person has just proved again who they are."""
        known = {*record.methods.split(), *methods}
        values = {"authenticated_at": datetime.now(UTC), "methods": " ".join(sorted(known))}
        await self.sessions.update(record, values)
        await self.events.record(
            self.sessions.session,
            "login_confirmed",
            record.user_id,
            methods=" ".join(sorted(methods)),
        )


async def end_all_sessions(session: AsyncSession, events: SecurityEvents) -> int:
    """Log everybody out, after a leak say; how many sessions that were."""
    count = await LoginSessionCRUD(session).revoke_all(datetime.now(UTC))
    await events.record(session, ALL_SESSIONS_ENDED, None, is_warning=True, sessions=count)
    return count
