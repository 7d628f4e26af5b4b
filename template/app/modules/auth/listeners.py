from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.security.events import SecurityEvent, SecurityEventListener

from .crud import LoginSessionCRUD


class ClosedAccounts(SecurityEventListener):
    """Ends the sessions of an account that is closed, so that opening it again revives none."""

    async def receive(self, session: AsyncSession, event: SecurityEvent) -> None:
        if event.name in {"account_deactivated", "account_closed"} and event.target_id is not None:
            sessions = LoginSessionCRUD(session)
            live = await sessions.live_of(event.target_id, event.at)
            await sessions.revoke(now=event.at, only=[it.id for it in live])
