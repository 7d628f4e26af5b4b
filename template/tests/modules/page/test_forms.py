from typing import Annotated, Self

from pydantic import Field, model_validator

from app.modules.page.forms import Form, read_form
from app.modules.page.schemas import FormSchema


class Order(FormSchema):
    kettles: Annotated[int, Field(ge=1, le=9)]
    note: str = ""
    is_gift: bool = False

    @model_validator(mode="after")
    def _a_gift_has_a_note(self) -> Self:
        if self.is_gift and not self.note:
            raise ValueError("a gift takes a note")
        return self


class TestReadForm:
    def test_reads_more_than_text(self) -> None:
        form = read_form(Order, [("kettles", " 3 "), ("is_gift", "on"), ("note", "Hi")])

        assert form.content == Order(kettles=3, is_gift=True, note="Hi")
        assert form.errors == {}
        assert form.error is None

    def test_says_what_is_wrong_with_a_field(self) -> None:
        form = read_form(Order, [("kettles", "many")])

        assert form.content is None
        assert form["kettles"].error == (
            "Input should be a valid integer, unable to parse string as an integer."
        )
        assert form["kettles"].value == "many"
        assert form["note"].error is None

    def test_says_what_is_wrong_with_all_of_it(self) -> None:
        form = read_form(Order, [("kettles", "3"), ("is_gift", "on")])

        assert form.errors == {"": "A gift takes a note."}
        assert form.error == "A gift takes a note."

    def test_takes_the_last_of_two(self) -> None:
        form = read_form(Order, [("kettles", "1"), ("kettles", "2")])

        assert form.content == Order(kettles=2)

    def test_shows_the_first_mistake_of_a_field(self) -> None:
        form = read_form(Order, [("a", "1"), ("b", "2"), ("kettles", "0")])

        assert form.errors == {
            "": "The form has a field too many. Reload the page.",
            "kettles": "Input should be greater than or equal to 1.",
        }


class TestEmptyForm:
    def test_knows_its_fields(self) -> None:
        form = Form(schema=Order)

        assert form["kettles"].is_required
        assert not form["note"].is_required
        assert form["note"].value == ""
        assert form["note"].max_length is None
