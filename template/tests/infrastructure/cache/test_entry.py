from dataclasses import replace
from datetime import UTC, date, datetime
from enum import Enum
from uuid import UUID

import pytest
from pydantic import BaseModel
from starlette.requests import Request

from app.infrastructure.cache.entry import EVERYBODY, CacheEntry

from .samples import ADA, BEN, LONDON, WEATHER, Weather


class Colour(Enum):
    RED = "red"


class Question(BaseModel):
    words: str | None = None


class TestKey:
    def test_of_the_same_parts_is_the_same(self) -> None:
        assert WEATHER.key("London", audience=EVERYBODY) == LONDON

    def test_needs_to_know_whose_answer_it_is(self) -> None:
        with pytest.raises(TypeError, match="audience"):
            WEATHER.key("London")  # type: ignore[call-arg]  # that is what is tested

    def test_of_other_parts_is_another(self) -> None:
        parts: list[tuple[object, ...]] = [
            (),
            ("a",),
            ("b",),
            ("a", "b"),
            ("a:b",),
            ("a,b",),
            (1,),
            ("1",),
            (True,),
            (None,),
            ("null",),
            (date(2026, 1, 1),),
            (datetime(2026, 1, 1, tzinfo=UTC),),
            (UUID(int=1),),
            (Colour.RED,),
            (Question(),),
            (Question(words="a"),),
        ]
        keys = [
            WEATHER.key(*part, audience=whom).text  # type: ignore[arg-type]  # of all kinds
            for part in parts
            for whom in (EVERYBODY, ADA, BEN)
        ]

        assert len(set(keys)) == len(keys)

    @pytest.mark.parametrize(
        "part",
        [Request({"type": "http"}), object(), b"x", 1.5, ["a"]],
        ids=lambda it: type(it).__name__,
    )
    def test_refuses_what_does_not_mean_the_same_everywhere(self, part: object) -> None:
        with pytest.raises(TypeError, match=f"{type(part).__name__} cannot be part"):
            WEATHER.key(part, audience=EVERYBODY)  # type: ignore[arg-type]  # the point

    def test_of_another_version_or_schema_is_another(self) -> None:
        newer = replace(WEATHER, version=2)
        other = CacheEntry[Weather | None](name="weather", type_=Weather | None, ttl_seconds=300)

        assert newer.key("London", audience=EVERYBODY).text != LONDON.text
        assert other.key("London", audience=EVERYBODY).text != LONDON.text


class TestEntry:
    @pytest.mark.parametrize("seconds", [0, -1, 86_401])
    def test_lives_for_a_moment_at_least_and_a_day_at_most(self, seconds: float) -> None:
        with pytest.raises(ValueError, match="weather: an entry lives for up to 86400 seconds"):
            replace(WEATHER, ttl_seconds=seconds)
        with pytest.raises(ValueError, match="up to 86400 seconds"):
            replace(WEATHER, none_ttl_seconds=seconds or -1)
