from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from .errors import ObjectMissingError, StorageUnreachableError
from .settings import StorageSettings

if TYPE_CHECKING:
    from obstore.store import LocalStore, S3Store

# The smallest part that S3 takes of an upload in several parts. It bounds what an upload holds in
# memory: one part that is filled, one that is sent.
PART_BYTES = 5 * 1024 * 1024
# What a download holds in memory. Each piece is a request of its own, so that a slow reader does
# not run into the time limit of one.
PIECE_BYTES = 2 * 1024 * 1024

Attributes = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StoredObject:
    key: str
    size: int
    stored_at: datetime


class Storage:
    """Objects under keys, in a bucket or in a folder.

    Every method raises `StorageUnreachableError`.
    """

    def __init__(self, settings: StorageSettings) -> None:
        self._settings = settings
        self.has_links = settings.bucket is not None
        """Whether clients can be sent to the store itself."""

    # Opened by the first request for a file: that takes longer than the rest of the start.
    @cached_property
    def _store(self) -> "S3Store | LocalStore":
        return _open(self._settings, self._settings.endpoint)

    @cached_property
    def _public(self) -> "S3Store | LocalStore":
        return _open(self._settings, self._settings.public_endpoint or self._settings.endpoint)

    async def put(self, key: str, chunks: AsyncIterator[bytes], attributes: Attributes) -> None:
        """Store all chunks, or nothing: an exception that they raise takes the first ones back.

        A small object is stored at once. A process that is killed over a large one leaves parts
        that only a lifecycle rule of the bucket removes.
        """
        first = bytearray()
        async for chunk in chunks:
            first += chunk
            if len(first) >= PART_BYTES:
                break
        options: dict[str, Any] = {}
        if self.has_links:
            # A folder keeps none, and nobody reads it but us.
            options["attributes"] = dict(attributes)
        with _translated():
            if len(first) < PART_BYTES:
                await self._store.put_async(key, bytes(first), use_multipart=False, **options)
            else:
                await self._store.put_async(
                    key,
                    joined(bytes(first), chunks),
                    chunk_size=PART_BYTES,
                    max_concurrency=1,
                    **options,
                )

    async def read(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` to before `end`. Raises `ObjectMissingError`."""
        for begin in range(start, end, PIECE_BYTES):
            stop = min(begin + PIECE_BYTES, end)
            with _translated():
                piece = await self._store.get_range_async(key, start=begin, end=stop)
            yield bytes(piece)

    async def size(self, key: str) -> int:
        """Raises `ObjectMissingError`."""
        with _translated():
            return (await self._store.head_async(key))["size"]

    async def delete(self, keys: Iterable[str]) -> None:
        """Those that are not there are no error."""
        for key in keys:
            try:
                with _translated():
                    await self._store.delete_async(key)
            except ObjectMissingError:
                continue

    async def objects(self, prefix: str | None = None) -> AsyncIterator[StoredObject]:
        """All below a prefix; this may be many requests."""
        with _translated():
            async for batch in self._store.list(prefix, chunk_size=500):
                for it in batch:
                    yield StoredObject(it["path"], it["size"], it["last_modified"])

    async def link(self, method: Literal["GET", "PUT"], key: str, *, seconds: int) -> str:
        """An address at which whoever has it may do so; only where `has_links`."""
        from obstore import sign_async  # noqa: PLC0415 (as in `_open`)

        with _translated():
            return await sign_async(self._public, method, key, timedelta(seconds=seconds))  # type: ignore[arg-type]

    async def check(self) -> None:
        """It answers, and lets us look."""
        with _translated():
            async for _ in self._store.list("readiness", chunk_size=1):
                break


async def joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A stream of which the first piece was read already."""
    yield first
    async for chunk in rest:
        yield chunk


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:
        raise ObjectMissingError from exc
    except Exception as exc:
        from obstore.exceptions import BaseError  # noqa: PLC0415 (as in `_open`)

        if not isinstance(exc, BaseError | OSError):
            raise
        raise StorageUnreachableError(type(exc).__name__) from exc


def _open(settings: StorageSettings, endpoint: str | None) -> "LocalStore | S3Store":
    # A large binary: loaded when the service starts, not when a command or a test imports us.
    from obstore.store import LocalStore, S3Store  # noqa: PLC0415

    if settings.bucket is None:
        return LocalStore(settings.folder.absolute(), mkdir=True)
    secret = settings.secret_access_key
    credentials: dict[str, Any] = {}
    if settings.access_key_id is not None and secret is not None:
        credentials["access_key_id"] = settings.access_key_id
        credentials["secret_access_key"] = secret.get_secret_value()
    if endpoint is not None:
        credentials["endpoint"] = endpoint
    return S3Store(
        settings.bucket,
        region=settings.region,
        client_options={
            "allow_http": endpoint is not None and endpoint.startswith("http:"),
            "connect_timeout": timedelta(seconds=settings.connect_timeout_seconds),
            "timeout": timedelta(seconds=settings.timeout_seconds),
        },
        retry_config={
            "max_retries": settings.retries,
            "retry_timeout": timedelta(seconds=settings.timeout_seconds),
            "backoff": {
                "init_backoff": timedelta(milliseconds=100),
                "max_backoff": timedelta(seconds=1),
                "base": 2,
            },
        },
        **credentials,
    )
