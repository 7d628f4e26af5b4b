import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
import structlog
from pydantic import ValidationError

from app.infrastructure.events.event import Envelope

from .kettle import Boiled


class TestEnvelope:
    def test_says_what_cloudevents_wants_to_know(self) -> None:
        with structlog.contextvars.bound_contextvars(request_id="abcdef-0123"):
            envelope = Envelope.of(Boiled(cup="blue"), source="/shop:events")

        written = json.loads(envelope.to_json())
        assert UUID(written.pop("id")).version == 7
        age = datetime.now(UTC) - datetime.fromisoformat(written.pop("time"))
        assert 0 <= age.total_seconds() < 60
        assert written == {
            "specversion": "1.0",
            "source": "/shop:events",
            "type": "kettle.boiled",
            "datacontenttype": "application/json",
            "dataversion": 1,
            "requestid": "abcdef-0123",
            "data": {"cup": "blue", "degrees": None},
        }

    def test_leaves_out_what_it_does_not_know(self) -> None:
        written = json.loads(Envelope(id="1", source="/s", type="t").to_json())

        assert sorted(written) == [
            *("data", "datacontenttype", "dataversion", "id", "source", "specversion", "type")
        ]

    def test_is_read_as_others_write_it(self) -> None:
        theirs = b'{"specversion":"1.0","id":"7","source":"//x","type":"t","subject":"s","a":1}'

        assert Envelope.model_validate_json(theirs) == Envelope(id="7", source="//x", type="t")

    @pytest.mark.parametrize(
        "broken",
        [
            {"specversion": "2.0"},
            {"id": ""},
            {"id": "x" * 201},
            {"id": "null\0"},
            {"source": "new\nline"},
            {"requestid": "\x1b[2J"},
            {"time": "2026-01-01T00:00:00"},
            {"datacontenttype": "text/xml"},
        ],
    )
    def test_is_refused_if_it_is_not_one(self, broken: dict[str, str]) -> None:
        with pytest.raises(ValidationError):
            Envelope.model_validate({"id": "7", "source": "/s", "type": "t", **broken})
