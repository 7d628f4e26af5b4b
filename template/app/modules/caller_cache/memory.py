from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.after_commit import after_commit
from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.outage import OutageGuard
from app.infrastructure.security.events import SecurityEvent, SecurityEventListener
from app.modules.user.lookup import CallerMemory, Found, FoundCaller
from app.modules.user.models import CurrentUser

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

# Longer than any query runs: one that has read what was before a change may still be on its way to
# keep it.
_CHANGED_SECONDS = 10

# KEYS: the entry, the index of its account, the marks of a change to the account and to all.
# ARGV: the entry's value, seconds to live.
_KEEP = """
if redis.call('EXISTS', KEYS[3], KEYS[4]) == 0 then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
  redis.call('SADD', KEYS[2], KEYS[1])
  redis.call('EXPIRE', KEYS[2], ARGV[2])
end
"""

# KEYS: the index of the account, the mark of a change to it. ARGV: seconds that the mark lasts.
_FORGET = """
redis.call('SET', KEYS[2], 1, 'EX', ARGV[1])
for _, entry in ipairs(redis.call('SMEMBERS', KEYS[1])) do redis.call('DEL', entry) end
redis.call('DEL', KEYS[1])
"""


class _Format(NamedTuple):
    shape: str
    adapter: TypeAdapter[Any]


class RedisCallerMemory(CallerMemory, SecurityEventListener):
    """Callers by a hash of their credential.

    Every recorded security event forgets the account it happened to, before the answer to the
    request that caused it: the next request with any of its credentials reads the database. Only
    where that does not reach the server, what was kept counts until its time to live is over.
    """

    def __init__(self, ttl_seconds: int) -> None:
        self._ttl_seconds = ttl_seconds
        self._outage = OutageGuard("callers")
        self._formats: dict[type[Any], _Format] = {}
        self._scripts: dict[str, AsyncScript] = {}
        self._clients: RedisClients | None = None
        self._redis: Redis | None = None

    def open(self, clients: RedisClients, redis: "Redis | None") -> None:
        """Without a server there is nothing to share a memory through: every query is made."""
        if redis is None or not self._ttl_seconds:
            return
        self._clients, self._redis = clients, redis

    def close(self) -> None:
        self._redis = None
        self._scripts.clear()

    async def recall(self, key: str, kind: type[Found]) -> Found | None:
        if self._redis is None:
            return None
        shape, adapter = self._format(kind)
        get = partial(self._redis.get, self._key("entry", shape, key))
        value = await self._outage.run(cast("Any", get), None)
        if value is None:
            return None
        try:
            return cast("Found", adapter.validate_json(value))
        except ValidationError:
            return None

    async def keep(self, key: str, found: FoundCaller) -> None:
        if self._redis is None:
            return
        shape, adapter = self._format(type(found))
        user_id = found.user.id.hex
        keys = [
            self._key("entry", shape, key),
            self._key("of", user_id),
            self._key("changed", user_id),
            self._key("changed", "all"),
        ]
        args: list[bytes | int] = [adapter.dump_json(found), self._ttl_seconds]
        script = self._script(_KEEP)
        await self._outage.run(partial(script, keys=keys, args=args), None)

    def forget(self, session: AsyncSession, user_id: UUID | None) -> None:
        if self._redis is not None:
            drop = self._forget_all if user_id is None else partial(self._forget_one, user_id.hex)
            after_commit(session, drop)

    async def receive(self, session: AsyncSession, event: SecurityEvent) -> None:
        if event.concerns_accounts:
            self.forget(session, event.target_id)

    async def _forget_one(self, user_id: str) -> None:
        keys = [self._key("of", user_id), self._key("changed", user_id)]
        drop = partial(self._script(_FORGET), keys=keys, args=[_CHANGED_SECONDS])
        await self._outage.run(drop, None, is_urgent=True)

    async def _forget_all(self) -> None:
        async def drop() -> None:
            assert self._redis is not None  # noqa: S101 (`forget` has looked)
            await self._redis.set(self._key("changed", "all"), 1, ex=_CHANGED_SECONDS)
            async for entry in self._redis.scan_iter(self._key("entry", "*"), count=1000):
                await self._redis.unlink(entry)

        await self._outage.run(drop, None, is_urgent=True)

    def _script(self, text: str) -> "AsyncScript":
        assert self._redis is not None  # noqa: S101 (whoever asks has looked)
        if text not in self._scripts:
            self._scripts[text] = self._redis.register_script(text)
        return self._scripts[text]

    def _format(self, kind: type[Any]) -> _Format:
        if (known := self._formats.get(kind)) is None:
            known = self._formats[kind] = _Format(_shape(kind), TypeAdapter(kind))
        return known

    def _key(self, *parts: str) -> str:
        assert self._clients is not None  # noqa: S101 (opened together with the client)
        return self._clients.key("caller", *parts)


def _shape(kind: type[Any]) -> str:
    """Another one for other fields: a new release does not read what the last one kept."""
    fields = (kind.__qualname__, *kind._fields, *CurrentUser._fields)
    return blake2b(" ".join(fields).encode(), digest_size=8).hexdigest()
