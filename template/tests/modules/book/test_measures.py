import pytest
from httpx2 import AsyncClient

from app.modules.book.measures import BOOKS_ADDED
from tests.support import counted

pytestmark = pytest.mark.anyio

EMMA = {"title": "Emma", "author": "Jane Austen", "isbn": "9780141439587"}


class TestBooksAdded:
    async def test_counts_those_that_are_stored(self, user_client: AsyncClient) -> None:
        with counted(BOOKS_ADDED) as added:
            stored = await user_client.post("books", json=EMMA)
            refused = await user_client.post("books", json=EMMA)

        assert (stored.status_code, refused.status_code) == (201, 409)
        assert added == {(): 1}
