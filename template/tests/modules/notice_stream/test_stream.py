import asyncio
from typing import Any

import pytest
from fastapi import routing

from app.infrastructure.database.database import Database
from app.modules.notice_stream.measures import StreamMeasures
from app.modules.notice_stream.schemas import Announcement
from app.modules.notice_stream.service import NoticeStreams
from app.modules.notice_stream.stream import Stream
from tests.fixtures.auth import log_in
from tests.support import shown

from .conftest import House, Tea, until
from .reading import Person

pytestmark = pytest.mark.anyio


class TestRoute:
    async def test_is_for_those_who_are_logged_in(
        self, house: House, streams: NoticeStreams
    ) -> None:
        stranger = await house.person()
        del stranger.http.headers["authorization"]
        refused = await stranger.http.get("notices/stream")

        assert refused.status_code == 401
        assert list(streams.users) == []

    async def test_is_for_full_logins_alone(self, ada: Person, house: House) -> None:
        await log_in(ada.http, house.state, ada.user, scopes={"profile:read"})

        assert (await ada.http.get("notices/stream")).status_code == 403

    @pytest.mark.usefixtures("streams")
    async def test_is_neither_stored_nor_compressed_nor_held_back(self, ada: Person) -> None:
        async with ada.reading() as reading:
            first = await reading.block()

        assert reading.status == 200
        assert reading.header("content-type") == ["text/event-stream; charset=utf-8"]
        assert reading.header("cache-control") == ["no-cache", "no-store"]
        assert reading.header("x-accel-buffering") == ["no"]
        assert reading.header("content-encoding") == []
        assert first is not None
        # Clients come back after different times.
        assert 3000 <= int(first.fields["retry"]) <= 6000

    @pytest.mark.usefixtures("streams")
    async def test_keeps_a_quiet_connection_alive(
        self, ada: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(routing, "_PING_INTERVAL", 0.05)
        async with ada.reading() as reading:
            await reading.place()
            block = await reading.block()

        assert block is not None
        assert block.fields == {"": "ping"}


class TestPublish:
    async def test_reaches_all_clients_of_one_account(
        self, ada: Person, house: House, streams: NoticeStreams
    ) -> None:
        grace = await house.person()
        async with ada.reading() as phone, ada.reading() as laptop, grace.reading() as other:
            for reading in (phone, laptop, other):
                await reading.place()
            await streams.publish(ada.user.id, Tea(cups=1))
            heard = [await it.event() for it in (phone, laptop)]
            await streams.publish(grace.user.id, Tea(cups=2))
            alone = await other.event()

        assert [(it.name, it.data) for it in heard] == [("tea", {"type": "tea", "cups": 1})] * 2
        assert alone.data == {"type": "tea", "cups": 2}

    async def test_broadcast_reaches_everybody(
        self, ada: Person, house: House, streams: NoticeStreams
    ) -> None:
        grace = await house.person()
        async with ada.reading() as reading, grace.reading() as other:
            await reading.place()
            await other.place()
            await streams.broadcast(Announcement(text="Back\nsoon"))
            heard = [await it.event() for it in (reading, other)]

        assert [it.data for it in heard] == [{"type": "announcement", "text": "Back\nsoon"}] * 2

    async def test_waits_for_the_commit(
        self, ada: Person, committed: Database, streams: NoticeStreams
    ) -> None:
        async with ada.reading() as reading:
            await reading.place()
            with pytest.raises(ZeroDivisionError):
                async with committed.transaction() as session:
                    streams.publish_after_commit(session, ada.user.id, Tea(cups=1))
                    raise ZeroDivisionError
            async with committed.transaction() as session:
                streams.publish_after_commit(session, ada.user.id, Tea(cups=2))
                streams.broadcast_after_commit(session, Tea(cups=3))
            heard = [await reading.event(), await reading.event()]

        assert [it.data["cups"] for it in heard] == [2, 3]

    async def test_for_whoever_never_listened_keeps_nothing(
        self, ada: Person, streams: NoticeStreams
    ) -> None:
        await streams.publish(ada.user.id, Tea(cups=1))

        assert await streams.history.all_of(ada.user.id.hex) == []


class TestResumption:
    async def test_loses_nothing_and_repeats_nothing(
        self, ada: Person, streams: NoticeStreams
    ) -> None:
        async with ada.reading() as reading:
            await reading.place()
            await streams.publish(ada.user.id, Tea(cups=1))
            await reading.event()
        for cups in range(2, 40):
            send = streams.broadcast(Tea(cups=cups)) if cups % 3 else None
            await (send or streams.publish(ada.user.id, Tea(cups=cups)))
        async with ada.reading(last_id=reading.last_id) as again:
            await streams.publish(ada.user.id, Tea(cups=40))
            heard = [(await again.event()).data["cups"] for _ in range(39)]

        assert heard == list(range(2, 41))

    async def test_begins_before_the_first_notice(
        self, ada: Person, streams: NoticeStreams
    ) -> None:
        async with ada.reading() as reading:
            place = await reading.place()
        await streams.publish(ada.user.id, Tea(cups=1))
        async with ada.reading(query=f"?last_event_id={place}") as again:
            assert (await again.event()).data["cups"] == 1

    async def test_goes_by_the_header_if_both_are_there(
        self, ada: Person, streams: NoticeStreams
    ) -> None:
        async with ada.reading() as reading:
            page = await reading.place()
            await streams.publish(ada.user.id, Tea(cups=1))
            newer = (await reading.event()).id
        await streams.publish(ada.user.id, Tea(cups=2))
        query = f"?last_event_id={page}"
        async with ada.reading(last_id=newer, query=query) as again:
            assert (await again.event()).data["cups"] == 2

    @pytest.mark.parametrize("last_id", ["1-0_1-0", "1-0", "another service's", "9" * 200])
    async def test_from_an_unknown_place_says_so(
        self, ada: Person, streams: NoticeStreams, last_id: str
    ) -> None:
        async with ada.reading(last_id=last_id) as reading:
            reset = await reading.event()
            await streams.publish(ada.user.id, Tea(cups=1))

            assert (reset.name, reset.data) == ("reset", {"type": "reset"})
            assert (await reading.event()).data["cups"] == 1

    async def test_from_what_is_kept_no_more_says_so(self, ada: Person, house: House) -> None:
        streams = await house.open(history_length=3)
        async with ada.reading() as reading:
            old = await reading.place()
        for cups in range(3):
            await streams.publish(ada.user.id, Tea(cups=cups))
        async with ada.reading(last_id=old) as reading:
            reset = await reading.event()
        await streams.publish(ada.user.id, Tea(cups=3))
        # After the reset it goes on from there.
        async with ada.reading(last_id=reset.id) as reading:
            heard = await reading.event()

        assert (reset.name, heard.data["cups"]) == ("reset", 3)

    async def test_from_another_ones_place_says_so(
        self, ada: Person, house: House, streams: NoticeStreams
    ) -> None:
        grace = await house.person()
        async with grace.reading() as reading:
            await reading.place()
            await streams.publish(grace.user.id, Tea(cups=1))
            theirs = (await reading.event()).id
        async with ada.reading(last_id=theirs) as reading:
            assert (await reading.event()).name == "reset"


class TestBounds:
    async def test_of_an_account(self, ada: Person, house: House) -> None:
        streams = await house.open(connections_per_user=1)
        async with ada.reading(), ada.reading() as refused:
            assert refused.status == 429
            assert refused.header("retry-after") == ["60"]
        await until(lambda: not streams.users)
        async with ada.reading() as again:
            assert again.status == 200

    async def test_of_a_process(self, ada: Person, house: House) -> None:
        await house.open(connections=1)
        grace = await house.person()
        async with ada.reading(), grace.reading() as refused:
            assert refused.status == 503
            assert refused.header("retry-after") == ["5"]

    async def test_a_slow_reader_falls_behind_and_is_told_so(
        self, ada: Person, house: House
    ) -> None:
        streams = await house.open(history_length=5)
        async with ada.reading(limit=1024) as reading:
            await reading.place()
            # More than all the buffers on the way take.
            for number in range(100):
                await streams.publish(
                    ada.user.id, Announcement(text=f"{number:02}" + "." * 100_000)
                )
                await asyncio.sleep(0)
            heard: list[str] = []
            head = "_".join(await streams.history.newest((ada.user.id.hex, "everybody")))
            while reading.last_id != head:
                event = await reading.event()
                heard.append(event.name if event.name == "reset" else event.data["text"][:2])
            await streams.publish(ada.user.id, Tea(cups=1))

            assert (await reading.event()).data["cups"] == 1
        assert "reset" in heard
        texts = [it for it in heard if it != "reset"]
        # In order, and none twice.
        assert texts == sorted(set(texts))
        assert len(texts) < 100

    async def test_a_stream_holds_no_database_connection(
        self, ada: Person, committed: Database, streams: NoticeStreams
    ) -> None:
        def used() -> int:
            engines = (committed.read_engine, committed.write_engine)
            pools: list[Any] = [engine.pool for engine in engines]
            return sum(pool.checkedout() for pool in pools)

        async with ada.reading() as reading:
            await reading.place()
            await until(lambda: used() == 0)
            await streams.publish(ada.user.id, Tea(cups=1))
            await reading.event()

            assert used() == 0

    async def test_a_client_that_is_gone_leaves_nothing(
        self, ada: Person, streams: NoticeStreams
    ) -> None:
        async with ada.reading() as reading:
            await reading.place()
            assert list(streams.users) == [ada.user.id]
            assert shown(StreamMeasures(), notice_streams=streams) == {("notice_streams",): 1}
        await until(lambda: not streams.users)

    async def test_a_stream_that_is_over_keeps_the_rest_for_the_next(
        self, ada: Person, streams: NoticeStreams
    ) -> None:
        async with ada.reading() as reading:
            await reading.place()
            (served,) = streams.streams_of(ada.user.id)
        stream = Stream(served.caller, streams.history, reading.last_id)
        for cups in range(3):
            await streams.publish(ada.user.id, Tea(cups=cups))
        items = stream.items()
        first = await anext(items)
        stream.end()
        assert [it async for it in items] == []
        async with ada.reading(last_id=first.id) as reading:
            assert [(await reading.event()).data["cups"] for _ in range(2)] == [1, 2]

    async def test_a_stream_does_not_last_for_ever(self, ada: Person, house: House) -> None:
        streams = await house.open(lifetime_seconds=0.1)
        async with ada.reading() as reading:
            assert await reading.end() == []
        # The connection stays; the response is complete.
        await streams.publish(ada.user.id, Tea(cups=1))
        async with ada.reading(last_id=reading.last_id) as again:
            assert await again.end() == ["tea"]
