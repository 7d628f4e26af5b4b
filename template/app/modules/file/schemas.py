from typing import Annotated
from uuid import UUID

from pydantic import MISSING, AwareDatetime, BaseModel, ConfigDict, Field

from app.modules.common.problems import Problem
from app.modules.common.schemas import (
    ONE_LINE,
    SEVERAL_LINES,
    RecordSchema,
    RequestSchema,
    Schema,
)

from .models import DESCRIPTION_LENGTH, NAME_LENGTH

Name = Annotated[str, Field(max_length=NAME_LENGTH, examples=["invoice.pdf"]), ONE_LINE]
Description = Annotated[str, Field(max_length=DESCRIPTION_LENGTH), SEVERAL_LINES]


class FileRead(RecordSchema):
    name: str
    description: str | None
    content_type: str
    size: int
    sha256: str


class FileUpdate(RequestSchema):
    """A name loses what other systems do not allow, and keeps an ending that fits the content."""

    name: Name | MISSING = MISSING
    description: Description | MISSING | None = MISSING


class RawQuery(BaseModel):
    """What goes with a file that is a request's whole body."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    description: Description | None = None


class UploadComplete(RequestSchema):
    name: Name
    description: Description | None = None


class UploadFailure(Schema):
    position: int
    """Of the file in the form, from 0."""
    name: str
    problem: Problem


class UploadResult(Schema):
    """Each file stands for itself: some may be stored and others not."""

    uploaded: int
    failed: int
    files: list[FileRead]
    errors: list[UploadFailure]


class FileLink(Schema):
    url: str
    expires_at: AwareDatetime


class UploadLink(FileLink):
    id: UUID
