import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from pydantic import JsonValue, ValidationError

from app.core.extensions import Extensions
from app.infrastructure.database.database import Database
from app.infrastructure.timing.waiting import happens_within
from app.modules.auth.watch import Account, LoginWatch, Watched

from .connection import LOGIN_OVER, SHUTDOWN, Connection
from .errors import (
    ConnectionsExhaustedError,
    InvalidMessageError,
    NotSubscribedError,
    PublishingRefusedError,
    RoomRefusedError,
    TooManyConnectionsError,
    TooManyRoomsError,
)
from .fanout import Fanout
from .kinds import RoomKind, own_room
from .schemas import Delivery, Unsubscribed
from .settings import WebsocketSettings

Key = TypeVar("Key")

# Platforms wait 30 seconds in all.
_GOODBYE_SECONDS = 2.0


class Rooms(Watched):
    """Who is connected to this process, and which rooms they are in."""

    def __init__(
        self,
        settings: WebsocketSettings,
        extensions: Extensions,
        database: Database,
        fanout: Fanout,
    ) -> None:
        self.settings = settings
        self.database = database
        self.fanout = fanout
        self.watch = LoginWatch(database, recheck_seconds=settings.recheck_seconds)
        self._kinds = {kind.name: kind for kind in extensions.of(RoomKind)}
        self._connections: dict[UUID, set[Connection]] = defaultdict(set)
        self._count = 0
        self._is_empty = asyncio.Event()
        self._members: dict[str, set[Connection]] = defaultdict(set)

    # For services.

    async def send(self, room: str, data: JsonValue, *, sender_id: UUID | None = None) -> None:
        """To everybody who is in the room now, whatever process they are connected to.

        At most once, and never an error: whoever must not miss it asks the API after connecting.
        Where it follows from a change, send after the commit:
        `after_commit(session, partial(rooms.send, room, data))`.
        """
        now = datetime.now(UTC)
        message = Delivery(room=room, data=data, sender_id=sender_id, sent_at=now)
        text = message.model_dump_json()
        self.deliver(room, text)
        await self.fanout.publish(room, text)

    async def send_to_user(self, user_id: UUID, data: JsonValue) -> None:
        """To all of the user's connections that have subscribed to `user:<id>`; as `send`."""
        await self.send(own_room(user_id), data)

    async def review(self, user_id: UUID | None) -> None:
        """Look again, in every process, at the user's logins and memberships; None: at everybody's.

        Call it after the commit that has taken a right away.
        """
        self.mark(user_id)
        await self.fanout.publish_review(user_id)

    # For connections.

    def add(self, connection: Connection) -> None:
        """Raises `TooManyConnectionsError` and `ConnectionsExhaustedError`."""
        user_id = connection.caller.user.id
        if self._count >= self.settings.connections:
            raise ConnectionsExhaustedError
        if len(self._connections.get(user_id, ())) >= self.settings.connections_per_user:
            raise TooManyConnectionsError
        self._connections[user_id].add(connection)
        self._count += 1
        self._is_empty.clear()
        # The login may have ended between its check and now.
        self.mark(user_id)

    def remove(self, connection: Connection) -> None:
        for room in tuple(connection.rooms):
            self.leave(connection, room)
        _discard(self._connections, connection.caller.user.id, connection)
        self._count -= 1
        if not self._count:
            self._is_empty.set()

    async def join(self, connection: Connection, room: str) -> None:
        """Raises `RoomRefusedError` and `TooManyRoomsError`."""
        if room in connection.rooms:
            return
        reviews = None
        while reviews != connection.reviews:
            # Once more if a right was taken away in the meantime.
            reviews = connection.reviews
            if not await self._may_join(connection, room):
                raise RoomRefusedError
        if len(connection.rooms) >= self.settings.rooms_per_connection:
            raise TooManyRoomsError
        connection.rooms.add(room)
        self._members[room].add(connection)

    def leave(self, connection: Connection, room: str) -> None:
        """Raises `NotSubscribedError`."""
        if room not in connection.rooms:
            raise NotSubscribedError
        connection.rooms.discard(room)
        _discard(self._members, room, connection)

    async def publish(self, connection: Connection, room: str, data: JsonValue) -> None:
        """Raises `NotSubscribedError`, `PublishingRefusedError` and `InvalidMessageError`."""
        if room not in connection.rooms:
            raise NotSubscribedError
        name, _, key = room.partition(":")
        kind = self._kinds[name]
        if kind.accepts is None:
            raise PublishingRefusedError
        try:
            checked = kind.accepts.model_validate(data)
        except ValidationError as exc:
            raise InvalidMessageError(exc.errors(include_input=False)[0]["type"]) from None
        async with self.database.reading() as session:
            if not await kind.may_publish(session, connection.caller, key):
                raise PublishingRefusedError
        sender_id = connection.caller.user.id
        await self.send(room, checked.model_dump(mode="json"), sender_id=sender_id)

    # For this process.

    async def listen(self) -> None:
        await self.fanout.listen(self.deliver, self.mark)

    def deliver(self, room: str, text: str) -> None:
        for member in tuple(self._members.get(room, ())):
            member.send(text)

    def mark(self, user_id: UUID | None) -> None:
        """To be reviewed soon, in this process."""
        if user_id is None or user_id in self._connections:
            self.watch.mark(user_id)

    @property
    def users(self) -> Collection[UUID]:
        return self._connections.keys()

    def connections_of(self, user_id: UUID) -> Iterable[Connection]:
        return tuple(self._connections.get(user_id, ()))

    async def check(self, user_id: UUID, account: Account | None, *, is_marked: bool) -> None:
        for connection in self.connections_of(user_id):
            caller = connection.caller
            if account is None or not account.has(caller.session_id):
                connection.end(LOGIN_OVER)
                continue
            # Rooms decide by what the account is now.
            connection.caller = replace(caller, user=account.user)
            if is_marked:
                await self.review_memberships(connection)

    async def review_memberships(self, connection: Connection) -> None:
        connection.reviews += 1
        for room in tuple(connection.rooms):
            is_allowed = await self._may_join(connection, room)
            if not is_allowed and room in connection.rooms:
                self.leave(connection, room)
                connection.send(Unsubscribed(room=room, ref=None).model_dump_json())

    async def aclose(self) -> None:
        """Most servers have closed them before."""
        for user_id in tuple(self.users):
            for connection in self.connections_of(user_id):
                connection.end(SHUTDOWN)
        if self._count:
            await happens_within(self._is_empty, _GOODBYE_SECONDS)
        await self.fanout.aclose()

    async def _may_join(self, connection: Connection, room: str) -> bool:
        name, _, key = room.partition(":")
        kind = self._kinds.get(name)
        if kind is None:
            return False
        async with self.database.reading() as session:
            return await kind.may_join(session, connection.caller, key)


def _discard(sets: dict[Key, set[Connection]], key: Key, connection: Connection) -> None:
    sets[key].discard(connection)
    if not sets[key]:
        del sets[key]
