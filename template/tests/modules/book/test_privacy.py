import pytest
from httpx2 import AsyncClient
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.book.models import Book
from app.modules.user.models import User

pytestmark = pytest.mark.anyio

EMMA = {"title": "Emma", "author": "Jane Austen", "isbn": "9780141439587"}


async def test_books_are_part_of_the_export(user_client: AsyncClient) -> None:
    await user_client.post("books", json=EMMA)

    export = (await user_client.get("users/me/export")).json()

    assert [book["title"] for book in export["books"]] == ["Emma"]


async def test_books_go_with_their_owner(
    user_client: AsyncClient, superuser_client: AsyncClient, user: User, session: AsyncSession
) -> None:
    book = (await user_client.post("books", json=EMMA)).json()
    await user_client.post("books", json=EMMA | {"isbn": "9780141439549"})
    await user_client.delete(f"books/{book['id']}")
    await superuser_client.post("books", json=EMMA)

    await superuser_client.delete(f"users/{user.id}")

    assert await session.scalar(select(func.count()).select_from(Book)) == 1
