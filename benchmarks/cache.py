"""The service with one page of 20 books more, for anybody: read anew, and through the cache.

`/shelf/hit` finds it in the cache. `/shelf/miss` asks the cache, queries and stores, under a new key each time.
`/shelf/query` does without a cache. `/shelf/constant` is all that is around them: the same dependencies and an answer
of the same length.
"""

from itertools import count
from typing import Annotated
from uuid import UUID

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import load_settings
from app.core.feature import Feature
from app.core.routing import PrefixRouter
from app.infrastructure.cache.cache import Cache
from app.infrastructure.cache.dependencies import CacheDep
from app.infrastructure.cache.entry import EVERYBODY, Key
from app.infrastructure.database.session import ReadSessionDep
from app.infrastructure.logging.setup import configure_logging
from app.modules.book.crud import BookCRUD
from app.modules.book.schemas import BookQuery, BookRead
from app.modules.book.service import BookService
from app.modules.book_cache.extension import PAGE
from app.modules.common.pagination import Page
from fastapi import Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

_numbers = count()
_QUERY = BookQuery(items_per_page=20)
_answers: dict[UUID, bytes] = {}

router = PrefixRouter(prefix="/shelf", tags=["shelf"])
Owner = Annotated[UUID, Query()]


@router.get("/query", response_model=Page[BookRead])
async def query(session: ReadSessionDep, owner: Owner) -> dict[str, object]:
    return await BookService(BookCRUD(session), owner).page(_QUERY)


@router.get("/hit", response_model=Page[BookRead])
async def hit(session: ReadSessionDep, cache: CacheDep, owner: Owner) -> Response:
    return await _cached(session, cache, owner, PAGE.key(_QUERY, audience=EVERYBODY))


@router.get("/miss", response_model=Page[BookRead])
async def miss(session: ReadSessionDep, cache: CacheDep, owner: Owner) -> Response:
    return await _cached(session, cache, owner, PAGE.key(_QUERY, next(_numbers), audience=EVERYBODY))


@router.get("/constant", response_model=Page[BookRead])
async def constant(session: ReadSessionDep, _: CacheDep, owner: Owner) -> Response:
    if owner not in _answers:
        _answers[owner] = PAGE.of(await BookService(BookCRUD(session), owner).page(_QUERY))
    return Response(_answers[owner], media_type="application/json")


async def _cached(session: AsyncSession, cache: Cache, owner: UUID, key: Key[bytes]) -> Response:
    books = BookService(BookCRUD(session), owner)
    body = await cache.get_or_set(key, lambda: books.page(_QUERY), tags=["shelf"])
    return Response(body, media_type="application/json")


settings = load_settings()
configure_logging(settings.log, deployed=settings.environment.is_deployed)
app = create_app(settings, [*enabled_features(settings), Feature(name="shelf", routers=(router,))])
