from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.extensions import Extensions
from app.infrastructure.database.database import Database
from app.infrastructure.database.purge import purge
from app.infrastructure.events.bus import EventBus, event_bus_of
from app.infrastructure.events.event import Envelope
from app.infrastructure.events.handlers import handles, handles_public
from app.infrastructure.events.models import EventReceipt
from app.infrastructure.events.receipts import ReceiptPurge, is_done, note
from app.infrastructure.events.settings import EventsSettings

from .conftest import Serve
from .kettle import Cup, Filled, at_boil, noting, pour

pytestmark = pytest.mark.anyio

HEARD = Envelope(id="7", source="/s", type="t")


class TestService:
    async def test_offers_the_bus(self, state: dict[str, Any]) -> None:
        assert isinstance(event_bus_of(state), EventBus)


class TestHandlers:
    def test_are_named_after_their_functions(self) -> None:
        name = "tests.infrastructure.events.kettle.pour"

        assert handles(Filled)(pour).name == name
        assert handles_public("kettle.boiled", Cup)(pour).name == name

    async def test_need_names_of_their_own(self, serve: Serve) -> None:
        with pytest.raises(ValueError, match="two handlers of public events have the name pour"):
            async with serve(at_boil(pour), at_boil(noting([]))):
                pytest.fail("it must not start")


class TestReceipts:
    async def test_belong_to_one_handler_and_one_event(self, session: AsyncSession) -> None:
        other = HEARD.model_copy(update={"source": "/other"})

        assert await note(session, "pour", HEARD)
        assert not await note(session, "pour", HEARD)
        assert await note(session, "sip", HEARD)
        assert await note(session, "pour", other)
        assert await is_done(session, "pour", HEARD)
        assert not await is_done(session, "sip", other)

    async def test_are_forgotten_after_their_days(self, committed: Database) -> None:
        now = datetime.now(UTC)
        async with committed.transaction() as session:
            for days, event_id in ((31, "old"), (29, "new")):
                at = now - timedelta(days=days)
                session.add(EventReceipt(handler="h", source="/s", event_id=event_id, at=at))

        gone = await purge(committed, Extensions([ReceiptPurge(EventsSettings())]))

        assert gone == {"event_receipts": 1}


class TestSettings:
    def test_refuse_that_what_runs_is_begun_again(self) -> None:
        with pytest.raises(ValidationError, match="claim_seconds must be more than"):
            EventsSettings(claim_seconds=30)

    def test_refuse_waiting_requests_where_deployed(self) -> None:
        assert EventsSettings().refusals() == []
        assert EventsSettings(inline=True).refusals() == [
            "EVENTS_INLINE=true is for tests: unset it."
        ]
