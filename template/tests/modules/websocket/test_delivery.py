import asyncio
import base64
import os
import socket

import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from app.modules.websocket.service import Rooms

from .conftest import House, listening, until, with_state
from .talk import Person

pytestmark = pytest.mark.anyio


@pytest.fixture
async def rooms(house: House) -> Rooms:
    return await house.open()


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.person(name="Ada")


class TestSendToUser:
    async def test_reaches_every_device_that_listens(self, ada: Person, rooms: Rooms) -> None:
        async with ada.talk() as phone, ada.talk() as laptop:
            await phone.join(ada.room)
            await laptop.join(ada.room)
            await rooms.send_to_user(ada.user.id, {"unread": 3})
            heard = [await phone.hear(), await laptop.hear()]

        assert [(it["type"], it["data"], it["sender_id"]) for it in heard] == 2 * [
            ("message", {"unread": 3}, None)
        ]

    async def test_to_nobody_is_no_error(self, ada: Person, rooms: Rooms) -> None:
        await rooms.send_to_user(ada.user.id, "hello?")


class TestDeadPeer:
    async def test_does_not_keep_others_from_hearing(
        self, ada: Person, house: House, rooms: Rooms
    ) -> None:
        grace = await house.person()
        async with ada.talk() as talk, grace.talk() as other:
            await talk.join("tea:1")
            await other.join("tea:1")
            talk.socket.transport.abort()
            for cups in range(3):
                await rooms.send("tea:1", {"cups": cups})
            heard = [(await other.hear())["data"]["cups"] for _ in range(3)]
            await until(lambda: list(rooms.users) == [grace.user.id])

        assert heard == [0, 1, 2]

    async def test_that_answers_no_ping_is_found(
        self, app: FastAPI, ada: Person, house: House, rooms: Rooms
    ) -> None:
        wrapped = with_state(app, house.state, house.processes)
        async with listening(wrapped, ws_ping_interval=0.1, ws_ping_timeout=0.1) as address:
            host, _, port = address.partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            key = base64.b64encode(os.urandom(16)).decode()
            lines = [
                *("GET /api/v1/ws HTTP/1.1", f"Host: {address}", "Upgrade: websocket"),
                *("Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"),
                *(f"Authorization: Bearer {ada.token}", "", ""),
            ]
            writer.write("\r\n".join(lines).encode())
            await reader.readuntil(b"welcome")
            assert list(rooms.users) == [ada.user.id]
            await until(lambda: not rooms.users)
            writer.close()


def narrow_socket(house: House) -> socket.socket:
    """Through which little fits at once."""
    host, _, port = house.address.partition(":")
    narrow = socket.create_connection((host, int(port)))
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
    return narrow


class TestSlowPeer:
    async def test_is_let_go_and_delays_nobody(self, ada: Person, house: House) -> None:
        rooms = await house.open(queue_size=3, connections_per_user=1)
        grace = await house.person()
        narrow = narrow_socket(house)
        async with (
            grace.talk(max_size=None, compression=None) as quick,
            ada.talk(sock=narrow, max_queue=1, max_size=None, compression=None) as slow,
        ):
            await slow.join("tea:1")
            await quick.join("tea:1")
            (connection,) = rooms.connections_of(ada.user.id)
            sent = 0
            while not connection.is_ending:
                await rooms.send("tea:1", "x" * 100_000)
                sent += 1
                assert (await quick.hear())["data"] == "x" * 100_000
                assert sent < 100

            # It counts until it reads on.
            assert list(rooms.connections_of(ada.user.id)) == [connection]
            assert await slow.closing() == 1013
            await until(lambda: list(rooms.users) == [grace.user.id])

    async def test_has_so_long_for_one_message(self, ada: Person, house: House) -> None:
        rooms = await house.open(send_timeout_seconds=0.05)
        narrow = narrow_socket(house)
        async with ada.talk(sock=narrow, max_queue=1, max_size=None, compression=None) as slow:
            await slow.join(ada.room)
            (connection,) = rooms.connections_of(ada.user.id)
            for _ in range(20):
                await rooms.send_to_user(ada.user.id, "x" * 100_000)
            await until(lambda: connection.is_ending)
            # Nothing more is sent to it.
            await rooms.send_to_user(ada.user.id, "more")
            connection.end((1000, "Once is enough."))  # type: ignore[arg-type]

            assert await slow.closing() == 1013


class TestEnd:
    async def test_comes_with_the_lifetime(self, ada: Person, house: House) -> None:
        await house.open(lifetime_seconds=0.05)
        async with ada.talk() as talk:
            assert await talk.closing() == 1001

    async def test_comes_with_that_of_the_service(self, ada: Person, house: House) -> None:
        await house.open()
        async with ada.talk() as talk:
            await house.stack.aclose()

            assert await talk.closing() == 1001

    async def test_comes_with_a_defect_which_is_logged(self, ada: Person, house: House) -> None:
        await house.open()

        def fail() -> None:
            raise ZeroDivisionError

        house.tea.on_asked = fail
        with capture_logs() as lines:
            async with ada.talk() as talk:
                await talk.say(type="subscribe", room="tea:1")

                assert await talk.closing() == 1011

        assert [it["event"] for it in lines if it["log_level"] == "error"] == ["unhandled error"]
