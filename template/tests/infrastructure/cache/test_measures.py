import pytest

from app.infrastructure.cache.cache import Cache
from app.infrastructure.cache.measures import CacheMeasures
from tests.support import shown

from .samples import LONDON, degrees

pytestmark = pytest.mark.anyio


class TestMeasures:
    async def test_show_hits_and_misses(self, cache: Cache) -> None:
        for _ in range(3):
            await cache.get_or_set(LONDON, degrees(20))

        assert shown(CacheMeasures(), cache=cache) == {
            ("cache_hits", "weather"): 2,
            ("cache_misses", "weather"): 1,
        }
