"""The one event that this feature declares itself: what the owner of an account is told anyway."""

from collections.abc import Mapping

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.extensions import Extensions
from app.infrastructure.security.events import SecurityEvent, SecurityEventListener
from app.infrastructure.security.notices import Notice

from .events import WebhookEvent
from .sending import Webhooks


class AccountNotice(BaseModel):
    name: str
    """Of what happened, such as `password_changed`."""
    subject: str
    text: str


ACCOUNT_NOTICE = WebhookEvent(
    name="account.notice",
    model=AccountNotice,
    description="Something happened to the account that its owner ought to know, such as a new "
    "password.",
)


class NoticeTeller(SecurityEventListener):
    """Tells the endpoints of an account of every `Notice` about it."""

    def __init__(self) -> None:
        self._notices: Mapping[str, Notice] = {}
        self._webhooks: Webhooks | None = None

    def attach(self, webhooks: Webhooks, extensions: Extensions) -> None:
        self._webhooks = webhooks
        self._notices = {notice.event: notice for notice in extensions.of(Notice)}

    async def receive(self, session: AsyncSession, event: SecurityEvent) -> None:
        notice = self._notices.get(event.name)
        if notice is None or self._webhooks is None or event.target_id is None:
            return
        data = AccountNotice(name=notice.event, subject=notice.subject, text=notice.text)
        await self._webhooks.send(session, event.target_id, ACCOUNT_NOTICE, data)
