import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from app.core.settings import CommaSeparated, SettingsGroup

_TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]*")
# Browsers run what is in them.
_ACTIVE = {
    "application/javascript",
    "application/xhtml+xml",
    "application/xml",
    "image/svg+xml",
    "text/html",
    "text/javascript",
    "text/xml",
}
# What parts and their headers add to the files themselves.
_FORM_BYTES = 64 * 1024


def _are_harmless(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not _TYPE.fullmatch(value):
            raise ValueError("must be media types such as image/png, separated by commas")
        if value in _ACTIVE:
            raise ValueError("must not have types that browsers run scripts of")
    return values


class FileSettings(SettingsGroup):
    """Read from `FILE_*`."""

    max_bytes: Annotated[int, Field(ge=1, le=5 * 1024**3)] = 10 * 1024 * 1024
    """Of one file: photos and documents have less; a proxy in front must let as much pass."""
    files_per_request: Annotated[int, Field(ge=1, le=100)] = 10
    """More are a second request: at 10 MiB each, one takes minutes on a slow line."""
    allowed_types: Annotated[CommaSeparated, AfterValidator(_are_harmless)] = (
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "application/pdf",
        "text/plain",
        "text/csv",
    )
    """By content. Of text only what these two say is known: UTF-8 without control characters."""
    quota_bytes: Annotated[int, Field(ge=1)] = 1024**3
    """Of one owner: a hundred files of the largest size."""
    quota_files: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Of one owner: adding up their sizes, before each upload, stays within milliseconds."""
    link_seconds: Annotated[int, Field(ge=10, le=7 * 86_400)] = 300
    """How long a link to the storage works for whoever has it: time to begin a download. S3
    signs for a week at most."""
    upload_links_per_hour: Annotated[int, Field(ge=0)] = 0
    """Links by which one account uploads past this service; 0: none. The storage takes whatever
    is sent there, of any size: it is checked only when the upload is completed."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.quota_bytes < self.max_bytes:
            raise ValueError("quota_bytes must not be less than max_bytes")
        return self

    @property
    def form_bytes(self) -> int:
        """The longest body of a form with files."""
        return self.files_per_request * self.max_bytes + _FORM_BYTES
