import asyncio
import json
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.cache.dependencies import cache_of
from app.infrastructure.database.database import Database
from app.modules.book.crud import BookCRUD
from app.modules.book.extension import announce_change
from app.modules.book.models import Book
from app.modules.book.schemas import BookCreate, BookQuery
from app.modules.book.service import BookService
from app.modules.book_cache.extension import CachedReader, tag_of
from app.modules.user.models import User
from tests.fixtures.auth import create_user, log_in
from tests.support import client_of

pytestmark = pytest.mark.anyio

EMMA = {"title": "Emma", "author": "Jane Austen", "isbn": "9780141439587"}


async def add(client: AsyncClient, **values: object) -> str:
    response = await client.post("books", json=EMMA | values)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def rename_past_the_service(session: AsyncSession, title: str) -> None:
    """Nobody hears of it: what is read afterwards shows whether it was computed anew."""
    await session.execute(update(Book).values(title=title))
    await session.commit()


async def titles(client: AsyncClient, **params: str) -> list[str]:
    response = await client.get("books", params=params)
    assert response.status_code == 200, response.text
    return [book["title"] for book in response.json()["data"]]


class TestReads:
    async def test_come_from_the_cache(
        self, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        book_id = await add(user_client)
        answers = [await user_client.get("books"), await user_client.get(f"books/{book_id}")]
        await rename_past_the_service(session, "Renamed")

        again = [await user_client.get("books"), await user_client.get(f"books/{book_id}")]

        assert [answer.content for answer in again] == [answer.content for answer in answers]
        assert [answer.headers["content-type"] for answer in again] == ["application/json"] * 2
        assert await titles(user_client) == ["Emma"]
        # Each page goes on from where it is: it is not worth keeping.
        scrolled = (await user_client.get("books/scroll")).json()
        assert [book["title"] for book in scrolled["data"]] == ["Renamed"]

    async def test_of_each_question_are_their_own(self, user_client: AsyncClient) -> None:
        await add(user_client)
        await add(user_client, title="Persuasion", isbn="9780141439686")

        assert await titles(user_client, search="emma") == ["Emma"]
        assert await titles(user_client, search="pers") == ["Persuasion"]
        assert await titles(user_client, sort="title") == ["Emma", "Persuasion"]
        assert await titles(user_client, sort="-title") == ["Persuasion", "Emma"]
        assert await titles(user_client, sort="title", items_per_page="1", page="2") == [
            "Persuasion"
        ]

    async def test_are_each_owners_own(
        self, user_client: AsyncClient, superuser_client: AsyncClient
    ) -> None:
        book_id = await add(user_client)
        await user_client.get(f"books/{book_id}")

        assert await titles(user_client) == ["Emma"]
        assert await titles(superuser_client) == []
        assert (await superuser_client.get(f"books/{book_id}")).status_code == 404

    async def test_need_a_login_all_the_same(
        self, user_client: AsyncClient, client: AsyncClient
    ) -> None:
        book_id = await add(user_client)
        await user_client.get(f"books/{book_id}")

        assert (await client.get(f"books/{book_id}")).status_code == 401
        assert (await client.get("books")).status_code == 401

    async def test_of_what_is_not_there_are_kept_too(
        self, user_client: AsyncClient, state: dict[str, Any]
    ) -> None:
        unknown, stats = uuid4(), cache_of(state).stats
        before = stats.misses["book.one"], stats.hits["book.one"]

        answers = [await user_client.get(f"books/{unknown}") for _ in range(2)]

        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[1].json()["type"] == "urn:problem:book.not_found"
        assert (stats.misses["book.one"], stats.hits["book.one"]) == (before[0] + 1, before[1] + 1)


class TestChanges:
    async def test_are_seen_at_once(self, user_client: AsyncClient) -> None:
        assert await titles(user_client) == []
        book_id = await add(user_client)
        seen = [await titles(user_client)]
        await user_client.get(f"books/{book_id}")

        await user_client.patch(f"books/{book_id}", json={"title": "Renamed"})
        seen.append(await titles(user_client))
        assert (await user_client.get(f"books/{book_id}")).json()["title"] == "Renamed"

        await user_client.delete(f"books/{book_id}")
        seen.append(await titles(user_client))
        assert (await user_client.get(f"books/{book_id}")).status_code == 404
        assert seen == [["Emma"], ["Renamed"], []]

    async def test_that_are_refused_leave_the_cache_alone(
        self, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        await add(user_client)
        await titles(user_client)
        await rename_past_the_service(session, "Renamed")

        response = await user_client.post("books", json=EMMA)

        assert response.status_code == 409
        assert await titles(user_client) == ["Emma"]

    async def test_in_a_transaction_outside_of_a_request_are_seen_too(
        self, user_client: AsyncClient, user: User, state: dict[str, Any]
    ) -> None:
        assert await titles(user_client) == []

        async with state["database"].transaction() as session:
            announce = partial(announce_change, session, user.id, state)
            book = BookCreate.model_validate(EMMA)
            await BookService(BookCRUD(session), user.id, announce).create(book)

        assert await titles(user_client) == ["Emma"]


class _SlowReader(BookService):
    """Has read the rows, and answers when the gate opens."""

    def __init__(self, books: BookCRUD, owner_id: UUID) -> None:
        super().__init__(books, owner_id)
        self.has_read, self.gate = asyncio.Event(), asyncio.Event()

    async def page(self, query: BookQuery) -> Any:  # noqa: ANN401 (the service's)
        rows = await super().page(query)
        self.has_read.set()
        await self.gate.wait()
        return rows


class TestRace:
    async def test_who_read_before_the_commit_does_not_store_for_those_after_it(
        self, app: FastAPI, state: dict[str, Any], committed: Database
    ) -> None:
        async with committed.write_sessions() as session:
            owner = await create_user(session)
        async with client_of(app, state) as client, committed.reading() as session:
            await log_in(client, state, owner)
            book_id = await add(client)
            slow = _SlowReader(BookCRUD(session), owner.id)
            reader = CachedReader(slow, owner.id, cache_of(state))
            reading = asyncio.create_task(reader.page(BookQuery()))
            await slow.has_read.wait()

            await client.patch(f"books/{book_id}", json={"title": "Renamed"})
            slow.gate.set()
            late = await reading

            assert [book["title"] for book in json.loads(bytes(late.body))["data"]] == ["Emma"]
            assert await titles(client) == ["Renamed"]


class TestConditions:
    async def test_are_answered_304_until_something_changes(self, user_client: AsyncClient) -> None:
        book_id = await add(user_client)
        for path in ("books", "books/scroll", f"books/{book_id}"):
            first = await user_client.get(path)
            headers = {"if-none-match": first.headers["etag"]}
            assert first.headers["cache-control"] == "private, no-cache"
            assert (await user_client.get(path, headers=headers)).status_code == 304

            await user_client.patch(f"books/{book_id}", json={"title": path})

            changed = await user_client.get(path, headers=headers)
            assert changed.status_code == 200
            assert changed.headers["etag"] != first.headers["etag"]

    async def test_are_not_for_errors(self, user_client: AsyncClient) -> None:
        response = await user_client.get(f"books/{uuid4()}", headers={"if-none-match": "*"})

        assert response.status_code == 404
        assert response.headers["cache-control"] == "no-store"

    def test_are_documented(self, app: FastAPI) -> None:
        paths = app.openapi()["paths"]
        documented = {
            (path, method)
            for path, operations in paths.items()
            for method, operation in operations.items()
            if path.startswith("/api/v1/books") and "304" in operation["responses"]
        }

        assert documented == {
            ("/api/v1/books", "get"),
            ("/api/v1/books/scroll", "get"),
            ("/api/v1/books/{book_id}", "get"),
        }


def test_tags_are_each_owners_own() -> None:
    assert tag_of(UUID(int=1)) != tag_of(UUID(int=2))
