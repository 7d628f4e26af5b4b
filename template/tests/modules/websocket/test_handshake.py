from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app.modules.websocket.service import Rooms
from tests.fixtures.auth import log_in

from .conftest import House, until
from .talk import Person, Talk

pytestmark = pytest.mark.anyio


@pytest.fixture
async def rooms(house: House) -> Rooms:
    return await house.open()


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.person()


async def refusal(person: Person, **options: Any) -> tuple[int, str]:  # noqa: ANN401 (the library's)
    """The status, and which problem the body names."""
    with pytest.raises(InvalidStatus) as caught:
        async with person.talk(**options):
            pass
    response = caught.value.response
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.body.decode().split('"')[3]


@pytest.mark.usefixtures("rooms")
class TestCredential:
    async def test_may_be_the_header(self, ada: Person) -> None:
        async with ada.talk() as talk:
            assert await talk.ask(type="ping", ref=7) == {"type": "pong", "ref": 7}

    async def test_may_be_a_subprotocol_which_is_not_given_back(self, ada: Person) -> None:
        offered = ["rooms.v1", f"bearer.{ada.token}"]
        async with ada.talk(additional_headers={}, subprotocols=offered) as talk:
            assert talk.socket.subprotocol == "rooms.v1"

    async def test_alone_is_not_a_subprotocol_to_speak(self, ada: Person) -> None:
        offered = [f"bearer.{ada.token}"]
        async with ada.talk(additional_headers={}, subprotocols=offered) as talk:
            assert talk.socket.subprotocol is None

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"subprotocols": ["rooms.v1"]},
            {"subprotocols": ["rooms.v1", "bearer.a.b.c"]},
            dict(additional_headers={"authorization": "Bearer a.b.c"}),  # noqa: C408 (Copier)
        ],
    )
    async def test_is_needed(self, ada: Person, options: dict[str, Any]) -> None:
        options.setdefault("additional_headers", {})
        refused = await refusal(ada, **options)

        assert refused == (401, "urn:problem:auth.not_authenticated")

    async def test_is_not_taken_from_the_query(self, ada: Person) -> None:
        url = f"ws://{ada.address}/api/v1/ws?token={ada.token}&access_token={ada.token}"
        with pytest.raises(InvalidStatus) as caught:
            async with connect(url, proxy=None):
                pass

        assert caught.value.response.status_code == 401

    async def test_must_be_a_full_login(self, ada: Person, house: House) -> None:
        await log_in(ada.http, house.state, ada.user, scopes={"profile:read"})

        assert await refusal(ada) == (403, "urn:problem:auth.insufficient_scope")


@pytest.mark.usefixtures("rooms")
class TestOrigin:
    async def test_of_another_site_is_refused_whatever_the_credential(self, ada: Person) -> None:
        refused = await refusal(ada, origin="https://evil.example")

        assert refused == (403, "urn:problem:websocket.unknown_origin")

    async def test_of_ours_is_let_in(self, ada: Person) -> None:
        async with ada.talk(origin=f"http://{ada.address}"):
            pass

    @pytest.mark.parametrize("origins", [("https://app.example",), ("*",)])
    async def test_that_may_call_the_api_is_let_in(
        self, ada: Person, house: House, monkeypatch: pytest.MonkeyPatch, origins: tuple[str, ...]
    ) -> None:
        monkeypatch.setitem(house.state, "websocket_origins", origins)
        async with ada.talk(origin="https://app.example"):
            pass


class TestLimits:
    async def test_a_user_has_so_many_connections(self, ada: Person, house: House) -> None:
        rooms = await house.open(connections_per_user=2)
        grace = await house.person()
        async with ada.talk(), ada.talk(), grace.talk():
            refused = await refusal(ada)
        await until(lambda: not rooms.users)

        assert refused == (429, "urn:problem:websocket.too_many_connections")
        async with ada.talk():
            pass

    async def test_a_process_has_so_many_connections(self, ada: Person, house: House) -> None:
        await house.open(connections=1)
        grace = await house.person()
        async with ada.talk():
            refused = await refusal(grace)

        assert refused == (503, "urn:problem:websocket.connections_exhausted")


class TestDatabase:
    async def test_is_not_held_by_a_connection(self, ada: Person, house: House) -> None:
        await house.open()
        pools = [
            engine.pool
            for engine in (
                house.state["database"].read_engine,
                house.state["database"].write_engine,
            )
        ]
        talks: list[Talk] = []
        async with ada.talk() as talk, ada.talk() as other:
            talks += [talk, other]
            await talk.join(ada.room)
            await until(lambda: all(pool.checkedout() == 0 for pool in pools))
            assert await other.ask(type="ping") == {"type": "pong", "ref": None}
