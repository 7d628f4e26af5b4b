from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from app.infrastructure.redis.outage import OutageGuard, OutOfReachError

from .entry import LONGEST_SECONDS, Key
from .stats import CacheStats

if TYPE_CHECKING:
    # Slow to import, and needed by who opens a cache alone.
    from cashews.backends.interface import Backend

Versions = tuple[bytes, ...]

EVERYTHING = "*"
"""The tag that all entries have."""

# Of an entry that was never invalidated on its own.
_NEVER = b"0"
# Twice the longest life of an entry: that of its version ends later, whoever stored it how late.
_VERSION_SECONDS = 2 * LONGEST_SECONDS
# Invalidations to make up for. Where there are more, everything is forgotten in their place.
_MOST_UNSENT = 1000


class Store:
    """Entries, and the versions of what can be invalidated.

    An entry begins with the versions of itself, of everything and of its tags. They are random:
    one that the server has forgotten is never given again, so its entries stay invalid.
    """

    def __init__(
        self, backend: "Callable[[], Backend]", guard: OutageGuard, *, prefix: str, is_shared: bool
    ) -> None:
        self.stats = CacheStats(guard)
        self.is_shared = is_shared
        self._make_backend = backend
        self._guard = guard
        self._prefix = prefix
        self._unsent: set[str] = set()

    @property
    def _backend(self) -> "Backend":
        return self._make_backend()

    async def read(self, key: Key[Any], tags: Sequence[str]) -> tuple[bytes | None, Versions]:
        """The valid entry, if there is one, and the versions to store another one with.

        Raises `OutOfReachError`, also while an invalidation of this process waits to be sent.
        """
        if self._unsent:
            await self._send()
        names = [self._version(key), *(self._version(tag) for tag in (EVERYTHING, *tags))]
        stored: Sequence[Any] = await self._guard.attempt(
            lambda: self._backend.get_many(self._name("entry", key.text), *names)
        )
        entry, own, *others = stored
        if None in others:
            others = [await self._ensured(name) for name in names[1:]]
        versions: Versions = (own or _NEVER, *others)
        if entry is None:
            return None, versions
        head, _, payload = entry.partition(b"\n")
        return (payload if head == b",".join(versions) else None), versions

    async def write(
        self, key: Key[Any], payload: bytes, versions: Versions, seconds: float
    ) -> None:
        """Nothing happens where the server is out of reach."""
        value = b",".join(versions) + b"\n" + payload
        name = self._name("entry", key.text)
        with suppress(OutOfReachError):
            await self._guard.attempt(lambda: self._backend.set(name, value, expire=seconds))

    async def renew(self, *targets: Key[Any] | str) -> None:
        """Give them new versions, at once or as soon as the server is there."""
        for target in targets:
            self._unsent.add(self._version(target))
            if not isinstance(target, str):
                # Overwritten as well: the server may forget the version before it does the entry.
                self._unsent.add(self._name("entry", target.text))
        if len(self._unsent) > _MOST_UNSENT:
            self._unsent = {self._version(EVERYTHING)}
        with suppress(OutOfReachError):
            await self._send()

    async def lock(self, key: Key[Any], versions: Versions, owner: str, seconds: float) -> bool:
        """Whether this one may compute for these versions.

        Everybody may where the server is out of reach.
        """
        name = self._lock(key, versions)
        try:
            return await self._guard.attempt(lambda: self._backend.set_lock(name, owner, seconds))
        except OutOfReachError:
            return True

    async def unlock(self, key: Key[Any], versions: Versions, owner: str) -> None:
        """Only the lock of `owner`; it may have ended, and be another one's."""
        name = self._lock(key, versions)
        with suppress(OutOfReachError):
            await self._guard.attempt(lambda: self._backend.unlock(name, owner))

    async def ping(self) -> None:
        """Raises `OutOfReachError`."""
        await self._guard.attempt(self._backend.ping)

    async def _send(self) -> None:
        names = tuple(self._unsent)
        versions = dict.fromkeys(names, _new_version())
        await self._guard.attempt(lambda: self._backend.set_many(versions, expire=_VERSION_SECONDS))
        self._unsent.difference_update(names)

    async def _ensured(self, name: str) -> bytes:
        """The version, made where there is none; another process may do so at the same time."""
        version = _new_version()
        made = await self._guard.attempt(
            lambda: self._backend.set(name, version, expire=_VERSION_SECONDS, exist=False)
        )
        if made:
            return version
        (stored,) = await self._guard.attempt(lambda: self._backend.get_many(name))
        # Gone again in between: the next reader finds the entry outdated.
        return stored or version

    def _lock(self, key: Key[Any], versions: Versions) -> str:
        # Versions come from the server: whatever they are, the name stays a name.
        return self._name("lock", key.text, blake2b(repr(versions).encode()).hexdigest()[:32])

    def _version(self, target: Key[Any] | str) -> str:
        kind, name = ("tag", target) if isinstance(target, str) else ("own", target.text)
        return self._name(kind, name)

    def _name(self, *parts: str) -> str:
        return ":".join((self._prefix, *parts))


def _new_version() -> bytes:
    return token_hex(8).encode()
