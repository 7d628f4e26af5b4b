from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from uuid_utils.compat import uuid7

from app.core.extensions import Extensions
from app.infrastructure.security.events import SecurityEvents

from .content import Content, Rules
from .errors import FileRefusedError
from .inspection import FileInspector, ReceivedFile
from .leftovers import Leftovers
from .naming import content_disposition, display_name


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a client sends, unchecked but for the description."""

    name: str | None
    declared_type: str | None
    chunks: AsyncIterator[bytes]
    description: str | None = None


class Intake:
    """The way of a file into the storage: what is refused on it leaves nothing behind.

    It must be gone before the request's session is used, because it notes what it stores in
    transactions of its own.
    """

    def __init__(
        self, leftovers: Leftovers, extensions: Extensions, events: SecurityEvents, rules: Rules
    ) -> None:
        self.leftovers = leftovers
        self.rules = rules
        self._inspectors = extensions.of(FileInspector)
        self._events = events

    async def receive(self, owner_id: UUID, incoming: Incoming, *, room: int) -> ReceivedFile:
        """Raises `FileTypeError`, `FileTooLargeError`, `QuotaExceededError` and `FileRefusedError`.

        `room` is what the owner has left of their quota.
        """
        content = Content(incoming.chunks, self.rules, room=room)
        await content.identify(incoming.declared_type)
        file_id = uuid7()
        key = f"{owner_id}/{file_id}"
        name = display_name(incoming.name, content.content_type)
        attributes = {
            # For links: the storage itself answers them.
            "Content-Type": content.content_type,
            "Content-Disposition": content_disposition(name, is_inline=False),
        }
        await self.leftovers.expect(key)
        try:
            await self.leftovers.storage.put(key, content.chunks(), attributes)
            file = ReceivedFile(
                id=file_id,
                key=key,
                name=name,
                description=incoming.description,
                content_type=content.content_type,
                size=content.size,
                sha256=content.sha256,
            )
            await self._inspect(owner_id, file)
        except BaseException:
            # Also when the server gives the request up.
            await self.leftovers.remove([key])
            raise
        return file

    async def _inspect(self, owner_id: UUID, file: ReceivedFile) -> None:
        try:
            for inspector in self._inspectors:
                await inspector.inspect(file, self.leftovers.storage)
        except FileRefusedError:
            async with self.leftovers.database.transaction() as session:
                await self._events.record(
                    session, "file_refused", owner_id, is_warning=True, sha256=file.sha256
                )
            raise
