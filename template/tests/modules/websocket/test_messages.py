import json

import pytest

from app.modules.websocket.allowance import Allowance

from .conftest import House
from .talk import Person

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ada(house: House) -> Person:
    await house.open(messages_per_second=1000)
    return await house.person(name="Ada")


@pytest.fixture
async def grace(house: House) -> Person:
    return await house.person(name="Grace")


class TestSubscribe:
    async def test_twice_is_once(self, ada: Person) -> None:
        async with ada.talk() as talk:
            await talk.join(ada.room)
            await talk.join(ada.room)

    async def test_a_room_of_somebody_else_is_as_if_it_were_not(
        self, ada: Person, grace: Person
    ) -> None:
        async with ada.talk() as talk:
            answers = [
                await talk.ask(type="subscribe", room=room, ref=3)
                for room in (grace.room, "user:nobody", "kettle:1")
            ]

        assert answers == 3 * [
            {
                "type": "error",
                "code": "room.refused",
                "detail": "There is no such room for you.",
                "ref": 3,
            }
        ]

    async def test_so_many_rooms_are_too_many(self, ada: Person, house: House) -> None:
        await house.open(rooms_per_connection=1)
        async with ada.talk() as talk:
            await talk.join(ada.room)
            answer = await talk.ask(type="subscribe", room="tea:1")
            await talk.ask(type="unsubscribe", room=ada.room)
            await talk.join("tea:1")

        assert answer["code"] == "room.too_many"


class TestUnsubscribe:
    async def test_ends_what_is_received(self, ada: Person, house: House) -> None:
        rooms = await house.open()
        async with ada.talk() as talk:
            await talk.join(ada.room)
            answer = await talk.ask(type="unsubscribe", room=ada.room, ref=2)
            await rooms.send_to_user(ada.user.id, "missed")
            pong = await talk.ask(type="ping")

        assert answer == {"type": "unsubscribed", "room": ada.room, "ref": 2}
        assert pong["type"] == "pong"

    async def test_of_a_room_one_is_not_in_is_an_error(self, ada: Person) -> None:
        async with ada.talk() as talk:
            answer = await talk.ask(type="unsubscribe", room=ada.room)

        assert answer["code"] == "room.not_subscribed"


class TestPublish:
    async def test_reaches_everybody_in_the_room(self, ada: Person, grace: Person) -> None:
        async with ada.talk() as talk, grace.talk() as other:
            await talk.join("tea:1")
            await other.join("tea:1")
            await talk.say(type="publish", room="tea:1", data={"cups": 2}, ref=9)
            heard, answer, there = await talk.hear(), await talk.hear(), await other.hear()

        assert answer == {"type": "published", "room": "tea:1", "ref": 9}
        assert heard == there
        assert there.pop("sent_at").endswith("Z")
        assert there == {
            "type": "message",
            "room": "tea:1",
            "data": {"cups": 2},
            "sender_id": str(ada.user.id),
        }

    @pytest.mark.parametrize("data", [None, {}, {"cups": "many"}, {"cups": 1, "sugar": True}])
    async def test_must_be_what_the_room_is_for(self, ada: Person, data: object) -> None:
        async with ada.talk() as talk:
            await talk.join("tea:1")
            answer = await talk.ask(type="publish", room="tea:1", data=data)

        assert answer["code"] == "websocket.invalid_message"

    async def test_takes_a_membership(self, ada: Person) -> None:
        async with ada.talk() as talk:
            answer = await talk.ask(type="publish", room="tea:1", data={"cups": 2})

        assert answer["code"] == "room.not_subscribed"

    async def test_takes_the_right_to(self, ada: Person, house: House) -> None:
        house.tea.silenced.add("Ada")
        async with ada.talk() as talk:
            await talk.join("tea:1")
            answer = await talk.ask(type="publish", room="tea:1", data={"cups": 2})

        assert answer["code"] == "room.publishing_refused"

    async def test_is_not_for_rooms_of_the_service(self, ada: Person) -> None:
        async with ada.talk() as talk:
            await talk.join(ada.room)
            answer = await talk.ask(type="publish", room=ada.room, data="forged")

        assert answer["code"] == "room.publishing_refused"


SECRET = "hunter2"
INVALID = [
    SECRET,
    "",
    "[]",
    "null",
    '{"type": "hunter2"}',
    '{"hunter2": 1}',
    '{"type": "subscribe"}',
    '{"type": "subscribe", "room": "hunter2"}',
    '{"type": "ping", "hunter2": "hunter2"}',
    '{"type": "ping", "ref": "hunter2"}',
    '{"type": "ping", "ref": -1}',
    '{"type": "ping", "ref": 9007199254740992}',
    '{"type": "publish", "room": "tea:1", "data": "\\ud800"}',
    '{"type": "publish", "room": "tea:1", "data": ' + 5000 * "[" + 5000 * "]" + "}",
]


class TestInvalidMessage:
    async def test_is_told_so_and_nothing_of_it(self, ada: Person) -> None:
        answers = []
        async with ada.talk() as talk:
            for text in INVALID:
                await talk.socket.send(text)
                answers.append(await talk.hear())

        assert {(it["type"], it["code"], it["ref"]) for it in answers} == {
            ("error", "websocket.invalid_message", None)
        }
        assert answers[0]["detail"] == "The message is not valid: json_invalid."
        assert SECRET not in json.dumps(answers)

    async def test_too_many_of_them_end_the_connection(self, ada: Person, house: House) -> None:
        await house.open(errors_per_minute=2, messages_per_second=1000)
        async with ada.talk() as talk:
            for _ in range(4):
                await talk.socket.send("?")
            answers = [(await talk.hear())["type"] for _ in range(3)]
            code = await talk.closing()

        assert (answers, code) == (3 * ["error"], 1008)

    async def test_bytes_end_the_connection(self, ada: Person) -> None:
        async with ada.talk() as talk:
            await talk.socket.send(b"{}")

            assert await talk.closing() == 1003

    @pytest.mark.parametrize("text", ["x" * 257, "é" * 129])
    async def test_a_large_one_ends_the_connection(
        self, ada: Person, house: House, text: str
    ) -> None:
        await house.open(max_message_bytes=256)
        async with ada.talk() as talk:
            await talk.socket.send(text)

            assert await talk.closing() == 1009

    async def test_a_very_large_one_is_not_even_read(self, ada: Person) -> None:
        async with ada.talk() as talk:
            await talk.socket.send("x" * 100_001)

            assert await talk.closing() == 1009

    async def test_those_that_come_too_fast_are_not_read(self, ada: Person, house: House) -> None:
        await house.open(messages_per_second=1)
        async with ada.talk() as talk:
            answers = [await talk.ask(type="ping") for _ in range(2)]
            answers += [await talk.ask(type="ping") for _ in range(3)]

        assert [it["type"] for it in answers[:2]] == ["pong", "pong"]
        assert answers[-1]["code"] == "websocket.too_fast"

    async def test_a_flood_ends_the_connection(self, ada: Person, house: House) -> None:
        await house.open(messages_per_second=1, errors_per_minute=5)
        async with ada.talk() as talk:
            for _ in range(30):
                await talk.say(type="ping")

            assert await talk.closing() == 1008


class TestAllowance:
    def test_refills_up_to_the_burst(self) -> None:
        now = 0.0
        allowance = Allowance(per_second=2, burst=3, clock=lambda: now)

        at_first = [allowance.take() for _ in range(4)]
        now = 1.0
        later = [allowance.take() for _ in range(3)]
        now = 100.0
        at_last = [allowance.take() for _ in range(4)]

        assert at_first == [True, True, True, False]
        assert later == [True, True, False]
        assert at_last == [True, True, True, False]
