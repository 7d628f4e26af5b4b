from collections import defaultdict
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.after_commit import after_commit
from app.infrastructure.database.database import Database
from app.modules.auth.watch import Account, LoginWatch, Watched
from app.modules.user.authentication import Caller

from .errors import StreamsExhaustedError, TooManyStreamsError
from .history import EVERYBODY, History
from .schemas import Notice
from .settings import NoticeStreamSettings
from .stream import Stream


class NoticeStreams(Watched):
    """Tells accounts what happens, and those of their clients that are connected at once."""

    def __init__(
        self, settings: NoticeStreamSettings, history: History, database: Database
    ) -> None:
        self.settings = settings
        self.history = history
        self.watch = LoginWatch(database, recheck_seconds=settings.recheck_seconds)
        self._streams: dict[UUID, set[Stream]] = defaultdict(set)
        self._count = 0
        self._is_stopping = False

    # For services.

    async def publish(self, user_id: UUID, notice: Notice) -> None:
        """To all of the user's clients, now or when they come back in time.

        Never an error. If the notice cannot be stored, the clients are told to load their state
        anew as soon as that is possible; only if this process ends before, they are not.
        """
        await self._append(user_id.hex, notice)

    async def broadcast(self, notice: Notice) -> None:
        """To everybody; as `publish`."""
        await self._append(EVERYBODY, notice)

    def publish_after_commit(self, session: AsyncSession, user_id: UUID, notice: Notice) -> None:
        """What follows from a change is told when the change is safe, and not told if it is not."""
        after_commit(session, partial(self.publish, user_id, notice))

    def broadcast_after_commit(self, session: AsyncSession, notice: Notice) -> None:
        after_commit(session, partial(self.broadcast, notice))

    async def review(self, user_id: UUID | None) -> None:
        """Look at the user's logins again, in every process; None: at everybody's."""
        self._mark(user_id)
        await self.history.tell(f"logins:{EVERYBODY if user_id is None else user_id.hex}")

    # For streams.

    @property
    def count(self) -> int:
        """How many are open in this process."""
        return self._count

    @contextmanager
    def opened(self, caller: Caller, last_id: str | None) -> Generator[Stream]:
        """A place among those that there may be at once, for as long as it is used.

        Raises `TooManyStreamsError` and `StreamsExhaustedError`.
        """
        user_id = caller.user.id
        if self._count >= self.settings.connections:
            raise StreamsExhaustedError
        if len(self._streams.get(user_id, ())) >= self.settings.connections_per_user:
            raise TooManyStreamsError
        stream = Stream(caller, self.history, last_id)
        if self._is_stopping:
            stream.end()
        self._streams[user_id].add(stream)
        self._count += 1
        try:
            yield stream
        finally:
            self._count -= 1
            self._streams[user_id].discard(stream)
            if not self._streams[user_id]:
                del self._streams[user_id]

    async def listen(self) -> None:
        """From the first stream on: a process without any does not listen."""
        await self.history.listen(self._hear)

    # For this process.

    @property
    def users(self) -> Collection[UUID]:
        return self._streams.keys()

    def streams_of(self, user_id: UUID) -> Iterable[Stream]:
        return tuple(self._streams.get(user_id, ()))

    async def check(
        self,
        user_id: UUID,
        account: Account | None,
        *,
        is_marked: bool,  # noqa: ARG002 (streams have nothing but their login)
    ) -> None:
        for stream in self.streams_of(user_id):
            if account is None or not account.has(stream.caller.session_id):
                stream.end()

    def end_all(self) -> None:
        """Those that are opened from now on, too: the process stops."""
        self._is_stopping = True
        for user_id in tuple(self.users):
            for stream in self.streams_of(user_id):
                stream.end()

    async def aclose(self) -> None:
        self.end_all()
        await self.history.aclose()

    async def _append(self, name: str, notice: Notice) -> None:
        await self.history.append(name, notice.type, notice.model_dump_json())

    def _mark(self, user_id: UUID | None) -> None:
        if user_id is None or user_id in self._streams:
            self.watch.mark(user_id)

    def _hear(self, message: str) -> None:
        kind, _, name = message.partition(":")
        user_id = None if name in {"", EVERYBODY} else UUID(name)
        if kind in {"", "logins"}:
            self._mark(user_id)
        if kind in {"", "news"}:
            for it in self.users if user_id is None else (user_id,):
                for stream in self.streams_of(it):
                    stream.wake()
