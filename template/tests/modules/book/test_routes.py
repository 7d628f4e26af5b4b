import asyncio
from collections import Counter
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.database import Database
from app.modules.book.models import Book
from app.modules.user.models import User
from tests.fixtures.auth import create_user, log_in
from tests.support import client_of

pytestmark = pytest.mark.anyio

EMMA = {"title": "Emma", "author": "Jane Austen", "isbn": "9780141439587"}

_numbers = count(1)


async def create_book(session: AsyncSession, owner: User, **values: object) -> Book:
    number = next(_numbers)
    defaults = {"title": f"Book {number}", "author": "Anonymous", "isbn": f"978{number:010}"}
    book = Book(owner_id=owner.id, **defaults | values)
    session.add(book)
    await session.commit()
    return book


def titles(body: dict[str, Any]) -> list[str]:
    return [item["title"] for item in body["data"]]


class TestAddBook:
    async def test_answers_the_book_and_where_it_is(self, user_client: AsyncClient) -> None:
        response = await user_client.post("books", json=EMMA | {"published_in": 1815})

        assert response.status_code == 201, response.text
        body = response.json()
        assert body["isbn"] == "9780141439587"
        assert body["description"] is None
        assert response.headers["location"] == f"/api/v1/books/{body['id']}"

    async def test_needs_a_login(self, client: AsyncClient) -> None:
        assert (await client.post("books", json=EMMA)).status_code == 401

    async def test_refuses_the_same_book_twice(self, user_client: AsyncClient) -> None:
        await user_client.post("books", json=EMMA)

        response = await user_client.post("books", json=EMMA)

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:book.isbn_taken"

    async def test_every_owner_may_have_it(
        self, user_client: AsyncClient, superuser_client: AsyncClient
    ) -> None:
        responses = [
            await client.post("books", json=EMMA) for client in (user_client, superuser_client)
        ]

        assert [response.status_code for response in responses] == [201, 201]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("isbn", "978-0-14-143958-7"),
            ("isbn", "12345"),
            ("isbn", "97801414395٨7"),
            ("title", ""),
            ("title", "   "),
            ("title", "x" * 201),
            ("author", "A\x00"),
            ("published_in", 0),
            ("published_in", 2**40),
            ("owner_id", "00000000-0000-0000-0000-000000000000"),
        ],
    )
    async def test_refuses_what_breaks_a_rule(
        self, user_client: AsyncClient, field: str, value: object
    ) -> None:
        response = await user_client.post("books", json=EMMA | {field: value})

        assert response.status_code == 422
        assert [error["loc"] for error in response.json()["errors"]] == [["body", field]]

    async def test_lets_one_of_many_at_once_through(
        self, app: FastAPI, state: dict[str, Any], committed: Database
    ) -> None:
        async with committed.write_sessions() as session:
            owner = await create_user(session)
        async with client_of(app, state) as client:
            await log_in(client, state, owner)
            responses = await asyncio.gather(*(client.post("books", json=EMMA) for _ in range(10)))

        statuses = Counter(response.status_code for response in responses)
        assert statuses == {201: 1, 409: 9}


class TestReadBook:
    async def test_answers_your_own(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        book = await create_book(session, user)

        response = await user_client.get(f"books/{book.id}")

        assert response.status_code == 200
        assert response.json()["title"] == book.title

    @pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
    async def test_others_books_do_not_exist(
        self,
        user_client: AsyncClient,
        superuser: User,
        session: AsyncSession,
        method: str,
    ) -> None:
        book = await create_book(session, superuser)
        body = {"title": "Mine"} if method == "PATCH" else None

        foreign = await user_client.request(method, f"books/{book.id}", json=body)
        unknown = await user_client.request(method, f"books/{uuid4()}", json=body)

        assert (foreign.status_code, unknown.status_code) == (404, 404)
        assert foreign.json()["type"] == unknown.json()["type"] == "urn:problem:book.not_found"


class TestListBooks:
    async def test_has_numbered_pages_with_a_total(
        self, user_client: AsyncClient, user: User, superuser: User, session: AsyncSession
    ) -> None:
        for title in "abcde":
            await create_book(session, user, title=title)
        await create_book(session, superuser, title="not mine")

        response = await user_client.get("books", params={"items_per_page": 2, "page": 2})

        assert response.status_code == 200
        body = response.json()
        assert titles(body) == ["c", "b"]
        assert {key: body[key] for key in body if key != "data"} == {
            "total_count": 5,
            "has_more": True,
            "page": 2,
            "items_per_page": 2,
        }

    @pytest.mark.parametrize(
        ("sort", "expected"),
        [
            ("created_at", ["B", "a", "C"]),
            ("-created_at", ["C", "a", "B"]),
            ("published_in", ["a", "C", "B"]),
            ("-published_in", ["C", "a", "B"]),
        ],
    )
    async def test_sorts_with_missing_values_last(
        self,
        user_client: AsyncClient,
        user: User,
        session: AsyncSession,
        sort: str,
        expected: list[str],
    ) -> None:
        for title, year in (("B", None), ("a", 1800), ("C", 1900)):
            await create_book(session, user, title=title, published_in=year)

        response = await user_client.get("books", params={"sort": sort})

        assert titles(response.json()) == expected

    async def test_sorts_by_title(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        for title in ("b", "a", "c"):
            await create_book(session, user, title=title)

        up = await user_client.get("books", params={"sort": "title"})
        down = await user_client.get("books", params={"sort": "-title"})

        assert (titles(up.json()), titles(down.json())) == (["a", "b", "c"], ["c", "b", "a"])

    @pytest.mark.parametrize(
        ("params", "expected"),
        [
            ({"search": "100%"}, ["100% wool"]),
            ({"search": "WOOL"}, ["1000 wool", "100% wool"]),
            ({"search": "austen"}, ["Emma"]),
            ({"author": "Jane Austen"}, ["Emma"]),
            ({"author": "Austen"}, []),
            ({"published_from": 1815}, ["Emma"]),
            ({"published_to": 1814}, ["100% wool"]),
            ({"published_from": 1700, "published_to": 1815}, ["Emma", "100% wool"]),
            ({"published_from": 1900, "published_to": 1800}, []),
        ],
    )
    async def test_filters(
        self,
        user_client: AsyncClient,
        user: User,
        session: AsyncSession,
        params: dict[str, str],
        expected: list[str],
    ) -> None:
        await create_book(session, user, title="100% wool", published_in=1800)
        await create_book(session, user, title="1000 wool")
        await create_book(session, user, title="Emma", author="Jane Austen", published_in=1815)

        response = await user_client.get("books", params=params)

        assert titles(response.json()) == expected
        assert response.json()["total_count"] == len(expected)

    @pytest.mark.parametrize(
        "params",
        [
            {"sort": "isbn"},
            {"page": 0},
            {"items_per_page": 101},
            {"unknown": 1},
        ],
    )
    async def test_refuses_unknown_questions(
        self, user_client: AsyncClient, params: dict[str, str]
    ) -> None:
        assert (await user_client.get("books", params=params)).status_code == 422


class TestScrollBooks:
    async def test_reaches_every_book_once(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        for title in "abcde":
            await create_book(session, user, title=title)

        seen, cursor = [], None
        for _ in range(3):
            params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
            body = (await user_client.get("books/scroll", params=params)).json()
            seen += titles(body)
            cursor = body["next_cursor"]
            await create_book(session, user, title="added meanwhile")

        assert seen == ["e", "d", "c", "b", "a"]
        assert cursor is None

    @pytest.mark.parametrize("cursor", ["", "!", "AAAA", "A" * 22 + "=="])
    async def test_refuses_a_made_up_cursor(self, user_client: AsyncClient, cursor: str) -> None:
        response = await user_client.get("books/scroll", params={"cursor": cursor})

        assert response.status_code == 422


class TestUpdateBook:
    async def test_leaves_absent_fields_alone_and_removes_with_null(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        book = await create_book(session, user, description="old", published_in=1900)

        response = await user_client.patch(f"books/{book.id}", json={"description": None})

        assert response.status_code == 200, response.text
        assert response.json()["description"] is None
        assert response.json()["published_in"] == 1900

    async def test_refuses_null_where_a_value_is_needed(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        book = await create_book(session, user)

        response = await user_client.patch(f"books/{book.id}", json={"title": None})

        assert response.status_code == 422

    async def test_refuses_the_isbn_of_another_book(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await create_book(session, user, isbn="9780141439587")
        book = await create_book(session, user)

        response = await user_client.patch(f"books/{book.id}", json={"isbn": EMMA["isbn"]})

        assert response.status_code == 409


class TestDeleteBook:
    async def test_hides_it_and_frees_its_isbn(self, user_client: AsyncClient) -> None:
        book_id = (await user_client.post("books", json=EMMA)).json()["id"]

        response = await user_client.delete(f"books/{book_id}")

        assert response.status_code == 204
        assert (await user_client.get(f"books/{book_id}")).status_code == 404
        assert (await user_client.get("books")).json()["total_count"] == 0
        assert (await user_client.post("books", json=EMMA)).status_code == 201
