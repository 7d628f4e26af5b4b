from uuid import UUID

import pytest

from app.infrastructure.cache.cache import Cache
from app.infrastructure.cache.decorator import cached
from app.infrastructure.cache.entry import EVERYBODY
from app.infrastructure.redis.settings import RedisSettings

from .samples import ADA, BEN, WEATHER, Weather, opened

pytestmark = pytest.mark.anyio


class Forecast:
    """As a service is: with things that differ from request to request."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.calls: list[str] = []

    @cached(WEATHER, by=["town"], audience=EVERYBODY, tags=["town:{town}"])
    async def of(self, town: str, *, session: object = None) -> Weather:
        """Says how warm it is."""
        self.calls.append(f"{town} {session is not None}")
        return Weather(degrees=len(self.calls))


@cached(WEATHER, by=["town"], audience="person")
async def felt(cache: Cache, town: str, person: UUID, calls: list[UUID]) -> Weather:  # noqa: ARG001 (the decorator's)
    calls.append(person)
    return Weather(degrees=len(calls))


class TestMethod:
    async def test_is_keyed_by_what_is_named_alone(self) -> None:
        async with opened(RedisSettings()) as cache:
            one, two = Forecast(cache), Forecast(cache)
            await one.of("London", session=object())
            await two.of("London", session=object())
            await two.of(town="Leeds")

        assert (one.calls, two.calls) == (["London True"], ["Leeds False"])

    async def test_is_invalidated_by_the_tag_of_its_arguments(self) -> None:
        async with opened(RedisSettings()) as cache:
            forecast = Forecast(cache)
            await cache.invalidate("town:Leeds")
            for town in ("London", "Leeds"):
                await forecast.of(town)
            await cache.invalidate("town:London")
            for town in ("London", "Leeds"):
                await forecast.of(town)

        assert forecast.calls == ["London False", "Leeds False", "London False"]

    def test_keeps_its_name_and_its_docstring(self) -> None:
        assert (Forecast.of.__name__, Forecast.of.__doc__) == ("of", "Says how warm it is.")


class TestFunction:
    async def test_keeps_persons_apart(self) -> None:
        calls: list[UUID] = []
        async with opened(RedisSettings()) as cache:
            values = [
                (await felt(cache, "London", person, calls)).degrees
                for person in (ADA, BEN, ADA, BEN)
            ]

        assert values == [1, 2, 1, 2]
        assert calls == [ADA, BEN]


class TestDecoration:
    @pytest.mark.parametrize(("by", "audience"), [(["city"], EVERYBODY), (["town"], "person")])
    def test_refuses_a_parameter_that_is_not_there(self, by: list[str], audience: str) -> None:
        async def function(cache: Cache, town: str) -> Weather: ...  # type: ignore[empty-body]

        with pytest.raises(TypeError, match="has no parameter"):
            cached(WEATHER, by=by, audience=audience)(function)

    def test_refuses_a_function_that_has_no_cache(self) -> None:
        async def function(town: str) -> Weather: ...  # type: ignore[empty-body]

        with pytest.raises(TypeError, match="needs a parameter 'cache'"):
            cached(WEATHER, by=["town"], audience=EVERYBODY)(function)
