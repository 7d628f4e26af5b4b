"""What happened that matters for security: one line in the log, and word to whoever listens."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.extensions import Extensions
from app.core.measures import Counter
from app.infrastructure.database.after_commit import after_commit

from .context import current_origin

logger = structlog.get_logger()


EVENTS = Counter(
    "security_events",
    "Logins, refused ones with their reason, and whatever else matters for security.",
    "event",
    "reason",
)

ALL_SESSIONS_ENDED = "all_sessions_ended"
"""The name of the one event without a target that happens to all accounts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEvent:
    name: str
    """In the past tense, in lower case with underscores: `password_changed`."""
    actor_id: UUID | None
    """Who did it; absent for a stranger and for commands."""
    target_id: UUID | None
    """The account it happened to, if there is one."""
    is_warning: bool
    address: str | None
    user_agent: str | None
    request_id: str | None
    details: Mapping[str, str | int | bool] = field(default_factory=dict)
    """Never a secret, nor what a stranger typed."""
    at: datetime

    @property
    def concerns_accounts(self) -> bool:
        """Whether accounts may have changed by it: that of the target, or all if there is none.

        Other events without a target are about strangers, who must not cause any work.
        """
        return self.target_id is not None or self.name == ALL_SESSIONS_ENDED


class SecurityEventListener(ABC):
    """Told of each event; an entry of `Feature.extensions`."""

    @abstractmethod
    async def receive(self, session: AsyncSession, event: SecurityEvent) -> None:
        """Work in the transaction in which it happened: both are stored, or neither is."""


class SecurityEvents:
    def __init__(self, extensions: Extensions) -> None:
        self._extensions = extensions

    async def record(
        self,
        session: AsyncSession,
        name: str,
        target_id: UUID | None,
        *,
        actor_id: UUID | None = None,
        is_warning: bool = False,
        **details: str | int | bool,
    ) -> None:
        """Record what the transaction of `session` does.

        The actor is the caller of the request, unless given. Before an error is raised, record in a
        transaction of its own: that of the request is rolled back.
        """
        origin = current_origin()
        event = SecurityEvent(
            name=name,
            actor_id=actor_id or origin.actor_id,
            target_id=target_id,
            is_warning=is_warning,
            address=origin.address,
            user_agent=origin.user_agent,
            request_id=origin.request_id,
            details=details,
            at=datetime.now(UTC),
        )
        for listener in self._extensions.of(SecurityEventListener):
            await listener.receive(session, event)

        async def log() -> None:
            write = logger.warning if is_warning else logger.info
            write("security event", **_as_log(event))
            EVENTS.add(name, str(details.get("reason", "")))

        # Only what is stored has happened.
        after_commit(session, log)


def _as_log(event: SecurityEvent) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": event.name, **event.details}
    for name in ("actor_id", "target_id", "address", "user_agent"):
        if (value := getattr(event, name)) is not None:
            entry[name] = str(value)
    return entry
