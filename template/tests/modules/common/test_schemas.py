import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Annotated
from uuid import UUID

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from app.modules.common.schemas import (
    ONE_LINE,
    SEVERAL_LINES,
    PersistentDeletion,
    RecordSchema,
    RequestSchema,
    Schema,
)

LINE: TypeAdapter[str] = TypeAdapter(Annotated[str, Field(max_length=10), ONE_LINE])
TEXT: TypeAdapter[str] = TypeAdapter(Annotated[str, Field(max_length=10), SEVERAL_LINES])

CONTROLS = ["\x00", "\x07", "\x1b", "\x1f", "\x7f", "\x85", "\x9f"]


class Wish(RequestSchema):
    name: Annotated[str, ONE_LINE]


class Shape(Schema):
    name: str


class TestLine:
    @pytest.mark.parametrize(
        "value", ["a", "a b", "x" * 10, "Zoë", "名前", "👩‍👩‍👧", "a\u200db", "'; --", "<b>"]
    )
    def test_takes_any_text(self, value: str) -> None:
        assert LINE.validate_python(value) == value

    @pytest.mark.parametrize("control", [*CONTROLS, "\n", "\r", "\t"])
    def test_refuses_control_characters(self, control: str) -> None:
        with pytest.raises(ValidationError, match="must not contain control characters"):
            LINE.validate_python(f"a{control}b")

    @pytest.mark.parametrize("value", ["", " ", " a", "a ", "\ta", "a\n", "\u00a0a", "\u2003"])
    def test_refuses_blank_edges(self, value: str) -> None:
        with pytest.raises(ValidationError):
            LINE.validate_python(value)

    def test_refuses_what_is_too_long(self) -> None:
        with pytest.raises(ValidationError):
            LINE.validate_python("x" * 11)

    @pytest.mark.parametrize("value", [b'"\\ud800"', b'"a\\udfffb"'])
    def test_refuses_lone_surrogates(self, value: bytes) -> None:
        with pytest.raises(ValidationError):
            LINE.validate_json(value)

    def test_refuses_lone_surrogates_that_python_lets_pass(self) -> None:
        with pytest.raises(ValidationError):
            LINE.validate_python("\ud800")


class TestText:
    @pytest.mark.parametrize("value", ["", "a\nb", "a\r\nb", "a\tb", " a ", "名前"])
    def test_takes_several_lines(self, value: str) -> None:
        assert TEXT.validate_python(value) == value

    @pytest.mark.parametrize("control", [*CONTROLS, "\x0b", "\x0c"])
    def test_refuses_control_characters(self, control: str) -> None:
        with pytest.raises(ValidationError, match="must not contain control characters"):
            TEXT.validate_python(f"a{control}b")

    def test_refuses_lone_surrogates(self) -> None:
        with pytest.raises(ValidationError):
            TEXT.validate_json(b'"\\ud800"')


class TestDescription:
    """The pattern in the API's description and the check agree."""

    @pytest.mark.parametrize("adapter", [LINE, TEXT], ids=["line", "text"])
    @pytest.mark.parametrize(
        "value", ["a", "a b", "a\nb", "a\tb", " a", "a ", "名", "a\x00", "\x7f", "a\x85b", "\x1b"]
    )
    def test_agrees(self, adapter: TypeAdapter[str], value: str) -> None:
        schema = adapter.json_schema()
        try:
            accepted = adapter.validate_python(value) == value
        except ValidationError:
            accepted = False

        assert schema["maxLength"] == 10
        assert (re.search(schema["pattern"], value) is not None) is accepted


class TestRequestSchema:
    def test_refuses_an_unknown_field(self) -> None:
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            Wish.model_validate({"name": "a", "nam": "b"})


class TestSchema:
    def test_reads_attributes_and_shows_no_more(self) -> None:
        record = SimpleNamespace(name="a", hidden="b")

        assert Shape.model_validate(record).model_dump() == {"name": "a"}


class TestRecordSchema:
    ID = UUID("0190b3b1-7c3f-7000-8000-000000000001")

    def test_shows_times_with_their_zone(self) -> None:
        noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
        record = RecordSchema(id=self.ID, created_at=noon, updated_at=noon)

        assert record.model_dump(mode="json") == {
            "created_at": "2030-01-01T12:00:00Z",
            "updated_at": "2030-01-01T12:00:00Z",
            "id": "0190b3b1-7c3f-7000-8000-000000000001",
        }

    def test_refuses_times_without_a_zone(self) -> None:
        noon = datetime(2030, 1, 1, 12)  # noqa: DTZ001
        with pytest.raises(ValidationError, match="timezone"):
            RecordSchema(id=self.ID, created_at=noon, updated_at=noon)


class TestPersistentDeletion:
    def test_tells_whether_and_when(self) -> None:
        kept = PersistentDeletion(is_deleted=False, deleted_at=None)

        assert kept.model_dump(mode="json") == {"is_deleted": False, "deleted_at": None}
