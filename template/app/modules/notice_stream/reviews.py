import asyncio
from contextlib import suppress
from uuid import UUID


class Reviews:
    """Accounts whose logins are to be looked at; None stands for all."""

    def __init__(self) -> None:
        self._marked: set[UUID | None] = set()
        self._is_due = asyncio.Event()

    def add(self, user_id: UUID | None) -> None:
        self._marked.add(user_id)
        self._is_due.set()

    async def take(self, seconds: float) -> set[UUID | None]:
        """As soon as there is one; none after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_due.wait()
        self._is_due.clear()
        marked, self._marked = self._marked, set()
        return marked
