from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection
from starlette.responses import Response

from app.core.feature import State
from app.infrastructure.cache.cache import Cache
from app.infrastructure.cache.dependencies import cache_of
from app.infrastructure.cache.entry import AnswerEntry, CacheEntry
from app.infrastructure.cache.http import apply_policy
from app.infrastructure.database.after_commit import after_commit
from app.modules.book.errors import BookNotFoundError
from app.modules.book.extension import BookExtension, BookReader
from app.modules.book.schemas import BookQuery, BookRead
from app.modules.common.listing import Rows
from app.modules.common.pagination import CursorQuery, Page

# Every change invalidates; this bounds what it cannot reach: a change past the service, by SQL or
# on a replica that lags behind, and an outage of Redis at the wrong moment.
_TTL_SECONDS = 60

BOOK = CacheEntry[BookRead | None](
    name="book.one",
    type_=BookRead | None,
    ttl_seconds=_TTL_SECONDS,
    # Ids are easily made up: what is not there takes room for a short time.
    none_ttl_seconds=10,
    # One owner's requests: a query costs less than taking turns.
    lock_seconds=0,
)
PAGE = AnswerEntry(
    name="book.page",
    type_=Page[BookRead],
    ttl_seconds=_TTL_SECONDS,
    lock_seconds=0,
)


def tag_of(owner_id: UUID) -> str:
    """Of all that is cached of one owner's books: any change of theirs may touch any page."""
    return f"books:{owner_id.hex}"


class CachedBooks(BookExtension):
    """Books and numbered pages come from the cache; the scroll goes on from where it is."""

    def reader(self, reader: BookReader, owner_id: UUID, connection: HTTPConnection) -> BookReader:
        state = connection.scope["state"]
        apply_policy(state)
        return CachedReader(reader, owner_id, cache_of(state))

    def changed(self, session: AsyncSession, owner_id: UUID, state: State) -> None:
        after_commit(session, partial(cache_of(state).invalidate, tag_of(owner_id)))


class CachedReader:
    def __init__(self, reader: BookReader, owner_id: UUID, cache: Cache) -> None:
        self._reader = reader
        self._owner_id = owner_id
        self._cache = cache
        self._tags = (tag_of(owner_id),)

    async def get(self, book_id: UUID) -> BookRead:
        async def load() -> object:
            try:
                return await self._reader.get(book_id)
            except BookNotFoundError:
                return None

        key = BOOK.key(book_id, audience=self._owner_id)
        book = await self._cache.get_or_set(key, load, tags=self._tags)
        if book is None:
            raise BookNotFoundError(book_id)
        return book

    async def page(self, query: BookQuery) -> Response:
        key, load = PAGE.key(query, audience=self._owner_id), partial(self._reader.page, query)
        body = await self._cache.get_or_set(key, load, tags=self._tags)
        return Response(body, media_type="application/json")

    async def scroll(self, query: CursorQuery) -> tuple[Rows, UUID | None]:
        return await self._reader.scroll(query)
