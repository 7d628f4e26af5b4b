from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from app.infrastructure.database.database import Database
from app.modules.auth import watch
from app.modules.auth.models import LoginSession
from app.modules.auth.sessions import end_all_sessions
from app.modules.user.models import User
from app.modules.websocket.service import Rooms
from tests.fixtures.auth import log_in

from .conftest import House, until
from .talk import Person

pytestmark = pytest.mark.anyio


@pytest.fixture
async def rooms(house: House) -> Rooms:
    return await house.open()


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.person(name="Ada")


async def by_hand(house: House, statement: Any) -> None:  # noqa: ANN401
    """Past the service, which then knows nothing of it."""
    async with house.state["database"].transaction() as session:
        await session.execute(statement)


@pytest.mark.usefixtures("rooms")
class TestEndOfALogin:
    async def test_ends_its_connections_at_once(self, ada: Person) -> None:
        async with ada.talk() as talk, ada.talk() as other:
            assert (await ada.http.post("auth/logout")).status_code == 204

            assert (await talk.closing(), await other.closing()) == (4401, 4401)

    async def test_leaves_those_of_other_logins_alone(self, ada: Person, house: House) -> None:
        async with ada.talk() as phone:
            await log_in(ada.http, house.state, ada.user)
            async with ada.talk() as laptop:
                await ada.http.post("auth/logout")

                assert await laptop.closing() == 4401
                assert (await phone.ask(type="ping"))["type"] == "pong"

    async def test_of_a_closed_account_too(self, ada: Person, house: House) -> None:
        root = await house.person(is_superuser=True)
        async with ada.talk() as talk:
            response = await root.http.post(f"users/{ada.user.id}/deactivate")

            assert response.status_code == 200
            assert await talk.closing() == 4401

    async def test_of_everybody_too(self, ada: Person, house: House) -> None:
        grace = await house.person()
        async with ada.talk() as talk, grace.talk() as other:
            async with house.state["database"].transaction() as session:
                await end_all_sessions(session, house.state["events"])

            assert (await talk.closing(), await other.closing()) == (4401, 4401)

    async def test_between_the_check_and_the_connection_is_noticed(
        self, ada: Person, house: House, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listen = rooms.listen

        async def listen_later() -> None:
            # The check was before.
            await by_hand(house, update(LoginSession).values(revoked_at=datetime.now(UTC)))
            await listen()

        monkeypatch.setattr(rooms, "listen", listen_later)
        async with ada.talk() as talk:
            rooms.mark(ada.user.id)

            assert await talk.closing() == 4401


class TestRecheck:
    @pytest.mark.parametrize(
        "change",
        [
            lambda: update(LoginSession).values(expires_at=datetime.now(UTC)),
            lambda: update(LoginSession).values(revoked_at=datetime.now(UTC)),
            lambda: update(User).values(is_active=False),
        ],
    )
    async def test_finds_what_nobody_told(
        self, ada: Person, house: House, change: Callable[[], Any]
    ) -> None:
        await house.open(recheck_seconds=0.05)
        async with ada.talk() as talk:
            await by_hand(house, change())

            assert await talk.closing() == 4401

    async def test_keeps_everybody_while_the_database_is_away(
        self, ada: Person, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await house.open(recheck_seconds=0.05)
        with capture_logs() as lines:
            async with ada.talk() as talk:
                monkeypatch.setattr(Database, "reading", None)
                await until(lambda: any("not checked" in it["event"] for it in lines))
                monkeypatch.undo()

                assert (await talk.ask(type="ping"))["type"] == "pong"

    async def test_goes_through_all_in_several_queries(
        self, ada: Person, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watch, "_BATCH", 1)
        await house.open(recheck_seconds=0.05)
        grace = await house.person()
        async with ada.talk() as talk, grace.talk() as other:
            await by_hand(house, update(LoginSession).values(expires_at=datetime.now(UTC)))

            assert (await talk.closing(), await other.closing()) == (4401, 4401)


class TestMembership:
    async def test_ends_with_the_right_to_it(self, ada: Person, house: House, rooms: Rooms) -> None:
        async with ada.talk() as talk:
            await talk.join("tea:1")
            await talk.join(ada.room)
            house.tea.banned.add("Ada")
            await rooms.review(ada.user.id)

            assert await talk.hear() == {"type": "unsubscribed", "room": "tea:1", "ref": None}
            await rooms.send("tea:1", {"cups": 1})
            await rooms.send(ada.room, "still here")
            assert (await talk.hear())["data"] == "still here"

    async def test_is_asked_by_what_the_account_is_now(
        self, ada: Person, house: House, rooms: Rooms
    ) -> None:
        house.tea.banned.add("Countess")
        async with ada.talk() as talk:
            await talk.join("tea:1")
            await by_hand(house, update(User).values(name="Countess"))
            await rooms.review(ada.user.id)

            assert (await talk.hear())["type"] == "unsubscribed"

    async def test_is_asked_again_if_the_right_ends_while_it_is_asked_for(
        self, ada: Person, house: House, rooms: Rooms
    ) -> None:
        async with ada.talk() as talk:
            (connection,) = rooms.connections_of(ada.user.id)

            def ban() -> None:
                if not house.tea.banned:
                    house.tea.banned.add("Ada")
                    connection.reviews += 1

            house.tea.on_asked = ban
            answer = await talk.ask(type="subscribe", room="tea:1")

        assert answer["code"] == "room.refused"
