from uuid import UUID

import pytest
from pydantic import ValidationError

from app.modules.common.pagination import (
    CursorPage,
    CursorQuery,
    Page,
    PageQuery,
    encode_cursor,
)

IDS = [
    UUID(int=0),
    UUID(int=2**128 - 1),
    UUID("0190b3b1-7c3f-7000-8000-000000000001"),
    UUID("ffeeddcc-bbaa-4998-8776-655443322110"),
]


class TestPageQuery:
    @pytest.mark.parametrize(
        ("page", "items_per_page", "offset"),
        [(1, 10, 0), (2, 10, 10), (3, 1, 2), (1, 100, 0), (10_000, 100, 999_900)],
    )
    def test_knows_how_many_come_before(self, page: int, items_per_page: int, offset: int) -> None:
        assert PageQuery(page=page, items_per_page=items_per_page).offset == offset

    def test_starts_at_the_first_ten(self) -> None:
        assert PageQuery().model_dump() == {"page": 1, "items_per_page": 10}

    @pytest.mark.parametrize(
        "query",
        [
            {"page": 0},
            {"page": -1},
            {"page": 10_001},
            {"page": "x"},
            {"items_per_page": 0},
            {"items_per_page": 101},
            {"per_page": 5},
        ],
    )
    def test_refuses(self, query: dict[str, object]) -> None:
        with pytest.raises(ValidationError):
            PageQuery.model_validate(query)


class TestPage:
    @pytest.mark.parametrize(
        ("total_count", "page", "has_more"),
        [
            (0, 1, False),
            (9, 1, False),
            (10, 1, False),
            (11, 1, True),
            (20, 2, False),
            (5, 9, False),
        ],
    )
    def test_has_exactly_this_shape(self, total_count: int, page: int, *, has_more: bool) -> None:
        listed = Page[str](data=["a"], total_count=total_count, page=page, items_per_page=10)

        assert listed.model_dump() == {
            "data": ["a"],
            "total_count": total_count,
            "page": page,
            "items_per_page": 10,
            "has_more": has_more,
        }


class TestCursorQuery:
    @pytest.mark.parametrize("last", IDS)
    def test_reads_what_an_answer_gave(self, last: UUID) -> None:
        cursor = encode_cursor(last)

        assert len(cursor) == 22
        assert CursorQuery(cursor=cursor).after == last

    def test_starts_at_the_first_twenty(self) -> None:
        assert CursorQuery().after is None
        assert CursorQuery().limit == 20

    @pytest.mark.parametrize(
        "cursor",
        [
            "",
            "x",
            "A" * 21,
            "A" * 23,
            "A" * 10_000,
            "A" * 21 + "B",  # bits that no id has
            "A" * 22 + "==",
            "A" * 22 + "\n",
            " " + "A" * 22,
            "A" * 20 + "+A",
            "A" * 20 + "/A",
            "é" * 22,
            "00000000-0000-0000-0000-000000000000",
        ],
    )
    def test_refuses_garbage(self, cursor: str) -> None:
        with pytest.raises(ValidationError):
            CursorQuery(cursor=cursor)

    @pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"page": 1}])
    def test_refuses(self, query: dict[str, object]) -> None:
        with pytest.raises(ValidationError):
            CursorQuery.model_validate(query)


class TestCursorPage:
    def test_has_exactly_this_shape(self) -> None:
        assert CursorPage[int](data=[1, 2], next_cursor=None).model_dump() == {
            "data": [1, 2],
            "next_cursor": None,
        }
