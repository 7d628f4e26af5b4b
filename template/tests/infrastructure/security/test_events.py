from collections.abc import Generator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.core.extensions import Extensions
from app.infrastructure.database.database import Database
from app.infrastructure.security.context import Origin, OriginMiddleware, current_origin
from app.infrastructure.security.events import (
    EVENTS,
    SecurityEvent,
    SecurityEventListener,
    SecurityEvents,
)
from tests.fixtures.auth import Witness
from tests.support import counted

pytestmark = pytest.mark.anyio

ACCOUNT = uuid4()


@pytest.fixture
def database(state: dict[str, Any]) -> Database:
    database: Database = state["database"]
    return database


@pytest.fixture
def lines() -> Generator[list[Any]]:
    with capture_logs() as captured:
        yield captured


async def in_request(**scope: object) -> Origin:
    """What a request with this scope sees."""
    seen = []

    async def inner(*_: object) -> None:
        seen.append(current_origin())

    middleware = OriginMiddleware(inner)
    await middleware({"type": "http", "headers": [], "state": {}, **scope}, None, None)  # type: ignore[arg-type]
    return seen[0]


class TestOrigin:
    async def test_is_that_of_the_request(self) -> None:
        origin = await in_request(
            client=("192.0.2.1", 1234),
            headers=[(b"user-agent", b"Browser")],
            state={"request_id": "abc"},
        )

        assert (origin.address, origin.user_agent) == ("192.0.2.1", "Browser")
        assert origin.request_id == "abc"

    async def test_keeps_what_would_break_a_log_line_out(self) -> None:
        agent = b"a\r\nINFO forged\x00\x1b[31m \xff" + b"x" * 300

        origin = await in_request(client=None, headers=[(b"user-agent", agent)])

        assert origin.user_agent is not None
        assert origin.user_agent.startswith("aINFO forged[31m ÿxxx")
        assert len(origin.user_agent) == 255
        assert origin.address is None

    async def test_does_not_show_what_the_request_is_made_of(self) -> None:
        origin = await in_request(client=None, headers=[(b"authorization", b"Bearer abc")])

        assert "Bearer" not in repr(origin)

    async def test_is_empty_outside_of_requests(self) -> None:
        await in_request(client=("192.0.2.1", 1234))

        assert current_origin() == Origin()

    async def test_leaves_the_lifespan_alone(self) -> None:
        assert await in_request(type="lifespan") == Origin()


class TestRecord:
    async def test_writes_one_line_once_it_is_stored(
        self, database: Database, connection: object, lines: list[Any]
    ) -> None:
        assert connection is not None
        events = SecurityEvents(Extensions())
        async with database.transaction() as session:
            await events.record(session, "door_opened", ACCOUNT, is_warning=True, floor=3)
            assert lines == []

        assert lines == [
            {
                "event": "security event",
                "log_level": "warning",
                "name": "door_opened",
                "target_id": str(ACCOUNT),
                "floor": 3,
            }
        ]

    async def test_what_is_rolled_back_did_not_happen(
        self, database: Database, connection: object, lines: list[Any]
    ) -> None:
        assert connection is not None
        events = SecurityEvents(Extensions())
        with counted(EVENTS) as counts, pytest.raises(RuntimeError):
            async with database.transaction() as session:
                await events.record(session, "door_opened", ACCOUNT)
                raise RuntimeError

        assert (lines, counts) == ([], {})

    async def test_are_counted_with_their_reasons(
        self, database: Database, connection: object
    ) -> None:
        assert connection is not None
        events = SecurityEvents(Extensions())
        with counted(EVENTS) as counts:
            async with database.transaction() as session:
                await events.record(session, "door_opened", ACCOUNT, floor=3)
                await events.record(session, "door_closed", ACCOUNT, reason="wind")

        assert counts == {("door_opened", ""): 1, ("door_closed", "wind"): 1}

    async def test_tells_every_listener(self, session: AsyncSession) -> None:
        witness = Witness()

        await SecurityEvents(Extensions([witness, witness])).record(
            session, "door_opened", ACCOUNT, actor_id=ACCOUNT
        )

        assert witness.names == ["door_opened", "door_opened"]
        assert witness.events[0].actor_id == witness.events[0].target_id == ACCOUNT
        assert witness.events[0].at.tzinfo is not None

    async def test_a_listener_that_fails_stops_what_it_listens_to(
        self, session: AsyncSession
    ) -> None:
        class Deaf(SecurityEventListener):
            async def receive(self, session: AsyncSession, event: SecurityEvent) -> None:  # noqa: ARG002
                raise RuntimeError("deaf")

        with pytest.raises(RuntimeError, match="deaf"):
            await SecurityEvents(Extensions([Deaf()])).record(session, "door_opened", None)
