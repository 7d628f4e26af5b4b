from copy import deepcopy
from typing import Any

from fastapi import FastAPI

from app.core.extensions import Extensions
from app.modules.notice_stream.openapi import NoticesSchema
from app.modules.notice_stream.schemas import NoticeKind, Reset

from .conftest import Tea


def event_of(document: dict[str, Any]) -> dict[str, Any]:
    operation = document["paths"]["/api/v1/notices/stream"]["get"]
    item: dict[str, Any] = operation["responses"]["200"]["content"]["text/event-stream"]
    return dict(item["itemSchema"]["properties"]["data"])


class TestDocument:
    def test_tells_what_an_event_can_be(self, app: FastAPI) -> None:
        document = app.openapi()
        data = event_of(document)

        assert data["contentMediaType"] == "application/json"
        assert data["contentSchema"]["oneOf"] == [
            {"$ref": "#/components/schemas/NoticeReset"},
            {"$ref": "#/components/schemas/NoticeAnnouncement"},
        ]
        reset = document["components"]["schemas"]["NoticeReset"]
        assert reset["properties"]["type"]["const"] == "reset"

    def test_has_the_kinds_of_other_features(self, app: FastAPI) -> None:
        document = deepcopy(app.openapi())
        NoticesSchema().extend(document, Extensions([NoticeKind(Reset), NoticeKind(Tea)]))

        assert event_of(document)["contentSchema"]["oneOf"][1] == {
            "$ref": "#/components/schemas/NoticeTea"
        }
        assert "cups" in document["components"]["schemas"]["NoticeTea"]["properties"]

    def test_lists_every_answer(self, app: FastAPI) -> None:
        operation = app.openapi()["paths"]["/api/v1/notices/stream"]["get"]

        assert {"200", "401", "403", "422", "429", "503"} <= set(operation["responses"])
        names = [it["name"] for it in operation["parameters"]]
        assert names == ["last_event_id", "last-event-id"]
