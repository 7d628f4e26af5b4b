from typing import ClassVar
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.user.privacy import PersonalData

from .models import Book
from .schemas import BookRead


class BooksData(PersonalData):
    name: ClassVar[str] = "books"

    async def export(self, session: AsyncSession, user_id: UUID) -> JsonValue:
        books = await session.scalars(
            select(Book).where(Book.owner_id == user_id, Book.deleted_at.is_(None))
        )
        return [BookRead.model_validate(book).model_dump(mode="json") for book in books]

    async def erase(self, session: AsyncSession, user_id: UUID) -> None:
        # Deleted ones too: their descriptions were written by the person.
        await session.execute(delete(Book).where(Book.owner_id == user_id))
