from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from app.infrastructure.database.database import Database
from app.modules.auth import watch
from app.modules.auth.models import LoginSession
from app.modules.auth.sessions import end_all_sessions
from app.modules.notice_stream.logins import StreamLogins
from app.modules.notice_stream.service import NoticeStreams
from app.modules.user.models import User
from tests.fixtures.auth import log_in

from .conftest import House, Tea, until
from .reading import Person

pytestmark = pytest.mark.anyio


async def by_hand(house: House, statement: Any) -> None:  # noqa: ANN401
    """Past the service, which then knows nothing of it."""
    async with house.state["database"].transaction() as session:
        await session.execute(statement)


class TestEndOfALogin:
    async def test_ends_its_streams_at_once_and_no_others(
        self, ada: Person, house: House, streams: NoticeStreams
    ) -> None:
        async with ada.reading() as phone:
            await phone.place()
            await log_in(ada.http, house.state, ada.user)
            async with ada.reading() as laptop:
                await laptop.place()
                assert (await ada.http.post("auth/logout")).status_code == 204

                assert await laptop.end() == []
            await streams.publish(ada.user.id, Tea(cups=1))
            assert (await phone.event()).data["cups"] == 1

    @pytest.mark.usefixtures("streams")
    async def test_of_a_closed_account_too(self, ada: Person, house: House) -> None:
        root = await house.person(is_superuser=True)
        async with ada.reading() as reading:
            response = await root.http.post(f"users/{ada.user.id}/deactivate")

            assert response.status_code == 200
            assert await reading.end() == []

    @pytest.mark.usefixtures("streams")
    async def test_of_everybody_too(self, ada: Person, house: House) -> None:
        grace = await house.person()
        async with ada.reading() as reading, grace.reading() as other:
            async with house.state["database"].transaction() as session:
                await end_all_sessions(session, house.state["events"])

            assert (await reading.end(), await other.end()) == ([], [])

    async def test_of_strangers_is_nobodys(
        self,
        committed: Database,
        house: House,
        streams: NoticeStreams,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        reviewed: list[UUID | None] = []

        async def review(user_id: UUID | None) -> None:
            reviewed.append(user_id)

        monkeypatch.setattr(streams, "review", review)
        (events,) = house.state["extensions"].of(StreamLogins)
        counts = []
        for name in ("login_failed", "all_sessions_ended"):
            async with committed.transaction() as session:
                await house.state["events"].record(session, name, None)
            counts.append(len(reviewed))
        # Nor is anything a process without streams hears of.
        events.close()
        async with committed.transaction() as session:
            await house.state["events"].record(session, "all_sessions_ended", None)

        assert (counts, reviewed) == ([0, 1], [None])

    async def test_between_the_check_and_the_stream_is_noticed(
        self, ada: Person, house: House, streams: NoticeStreams, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listen = streams.listen

        async def listen_later() -> None:
            # The check was before.
            await by_hand(house, update(LoginSession).values(revoked_at=datetime.now(UTC)))
            await listen()

        monkeypatch.setattr(streams, "listen", listen_later)
        async with ada.reading() as reading:
            assert await reading.end() == []


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
        self,
        ada: Person,
        house: House,
        change: Callable[[], Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # Two accounts take two queries.
        monkeypatch.setattr(watch, "_BATCH", 1)
        await house.open(recheck_seconds=0.05)
        grace = await house.person()
        async with ada.reading() as reading, grace.reading() as other:
            await by_hand(house, change())

            assert (await reading.end(), await other.end()) == ([], [])

    async def test_keeps_everybody_while_the_database_is_away(
        self, ada: Person, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        streams = await house.open(recheck_seconds=0.05)
        async with ada.reading() as reading:
            await reading.place()
            with capture_logs() as lines:
                monkeypatch.setattr(Database, "reading", None)
                await until(lambda: any("not checked" in it["event"] for it in lines))
                monkeypatch.undo()
            await streams.publish(ada.user.id, Tea(cups=1))

            assert (await reading.event()).data["cups"] == 1
