from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from app.core.settings import SettingsGroup


def _is_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must begin with https:// or http:// and name a host")
    return value.rstrip("/")


Address = Annotated[str, AfterValidator(_is_address)]


class StorageSettings(SettingsGroup):
    """Read from `STORAGE_*`."""

    bucket: str | None = None
    """Of an S3-compatible store; unset: files are kept in `folder`, not where deployed."""
    endpoint: Address | None = None
    """Of a store that is not Amazon's: `https://minio.internal:9000`."""
    public_endpoint: Address | None = None
    """Where browsers reach the store, if not at `endpoint`: links are made for this address."""
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    """Unset, both: the identity that AWS gives the machine, or `AWS_ACCESS_KEY_ID` and its like."""
    folder: Path = Path("storage")
    """The stand-in of development."""
    connect_timeout_seconds: Annotated[float, Field(gt=0)] = 3
    timeout_seconds: Annotated[float, Field(gt=0)] = 20
    """For one request to the store, which carries at most 5 MiB: two seconds on a slow line."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """Of such a request, a tenth of a second apart at first: a busy store answers the next one."""

    @model_validator(mode="after")
    def _are_complete(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key go together: set both or neither")
        return self

    def refusals(self) -> list[str]:
        refused = []
        if self.bucket is None:
            refused.append(
                "STORAGE_BUCKET must name a bucket of an S3-compatible store: a local folder is "
                "for development and tests."
            )
        if self.public_endpoint is not None and self.public_endpoint.startswith("http:"):
            refused.append(
                "STORAGE_PUBLIC_ENDPOINT must begin with https://: who reads a link on its way "
                "has the file."
            )
        return refused
