"""What clients send, as it arrives."""

from collections.abc import AsyncIterator
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request

from .errors import MalformedFormError, UploadBrokenOffError
from .intake import Incoming
from .models import DESCRIPTION_LENGTH
from .multipart import MultipartForm, Part
from .schemas import Description, RawQuery
from .settings import FileSettings

_description = TypeAdapter[str](Description)


async def body_of(request: Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        raise UploadBrokenOffError from None


def raw_upload(request: Request, query: RawQuery) -> Incoming:
    return Incoming(
        name=query.name,
        declared_type=request.headers.get("content-type"),
        chunks=body_of(request),
        description=query.description,
    )


async def form_uploads(request: Request, settings: FileSettings) -> AsyncIterator[Incoming]:
    """The files of a form. Raises `FormTypeError` and `MalformedFormError`."""
    most = settings.files_per_request
    content_type = request.headers.get("content-type", "")
    # Beside the files, a description.
    form = MultipartForm(content_type, body_of(request), max_parts=most + 1)
    files, description = 0, None
    async for part in form.parts():
        if part.name == "description" and part.filename is None:
            description = await _described(part)
        elif part.name == "files" and part.filename is not None:
            files += 1
            if files > most:
                raise MalformedFormError(f"A form must not have more than {most} files.")
            yield Incoming(part.filename, part.content_type, part.chunks, description)
        else:
            raise MalformedFormError("A form has files named `files` and a `description`, if any.")
    if files == 0:
        raise MalformedFormError("The form has no file named `files`.")


async def _described(part: Part) -> str | None:
    try:
        return _description.validate_python(await part.text()) or None
    except ValidationError:
        raise MalformedFormError(
            f"The description must be at most {DESCRIPTION_LENGTH} characters, none of control."
        ) from None


def form_schema(settings: FileSettings) -> dict[str, Any]:
    """The body of a form, for the API's description: no parameter of the route reads it."""
    schema = {
        "type": "object",
        "required": ["files"],
        "additionalProperties": False,
        "properties": {
            "description": {
                **_description.json_schema(),
                "description": "Of all files that come after it.",
            },
            "files": {
                "type": "array",
                "minItems": 1,
                "maxItems": settings.files_per_request,
                "items": {"type": "string", "format": "binary"},
            },
        },
    }
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def raw_schema(settings: FileSettings) -> dict[str, Any]:
    """The body that is a file, by its possible types."""
    entry = {"schema": {"type": "string", "format": "binary"}}
    types = ("application/octet-stream", *settings.allowed_types)
    return {"required": True, "content": dict.fromkeys(types, entry)}
