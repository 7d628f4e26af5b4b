import pytest
from pydantic import SecretStr

from app.infrastructure.database.database import Database
from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.settings import RedisSettings
from app.modules.notice_stream.privacy import NoticesData
from app.modules.notice_stream.service import NoticeStreams

from .conftest import House, Tea
from .reading import Person

pytestmark = pytest.mark.anyio


@pytest.fixture
def data(house: House) -> NoticesData:
    (data,) = house.state["extensions"].of(NoticesData)
    assert isinstance(data, NoticesData)
    return data


class TestExport:
    async def test_has_the_notices_that_are_kept(self, ada: Person, streams: NoticeStreams) -> None:
        await streams.history.newest([ada.user.id.hex])
        await streams.publish(ada.user.id, Tea(cups=1))

        exported = (await ada.http.get("users/me/export")).json()

        assert exported["notices"] == [{"type": "tea", "cups": 1}]

    async def test_goes_without_what_is_out_of_reach(
        self, ada: Person, committed: Database, data: NoticesData, house: House
    ) -> None:
        nowhere = RedisClients(RedisSettings(url=SecretStr("redis://127.0.0.1:1")))
        await house.open(redis=nowhere)
        async with committed.reading() as session:
            assert await data.export(session, ada.user.id) is None
            data.close()
            assert await data.export(session, ada.user.id) is None
        await nowhere.aclose()


class TestErasure:
    async def test_leaves_no_notice(
        self, ada: Person, committed: Database, data: NoticesData, streams: NoticeStreams
    ) -> None:
        await streams.history.newest([ada.user.id.hex])
        await streams.publish(ada.user.id, Tea(cups=1))
        for _ in range(2):
            async with committed.transaction() as session:
                await data.erase(session, ada.user.id)

        assert await streams.history.all_of(ada.user.id.hex) == []

    async def test_of_a_process_that_keeps_none_is_harmless(
        self, ada: Person, committed: Database, data: NoticesData
    ) -> None:
        data.close()
        async with committed.transaction() as session:
            await data.erase(session, ada.user.id)
