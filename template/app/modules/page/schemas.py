from typing import Annotated

from pydantic import ConfigDict, Field

from app.modules.common.schemas import ONE_LINE, SEVERAL_LINES, RequestSchema


class FormSchema(RequestSchema):
    """A form: a field that was left empty is one that was not sent."""

    model_config = ConfigDict(str_strip_whitespace=True)


class Feedback(FormSchema):
    name: Annotated[str, Field(max_length=100), ONE_LINE] = ""
    # A page of text.
    message: Annotated[str, Field(max_length=2000), SEVERAL_LINES]
