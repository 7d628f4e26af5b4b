"""AWS Secrets Manager and the Parameter Store of Systems Manager.

pydantic-settings has sources for both, which wait for minutes where there is no network, and pass
on errors that name no variable.
"""

import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from .stores import Store, StoreError


class AwsStore(Store):
    """Read with one request, or a few, at the first question."""

    def __init__(self, variable: str, name: str, timeout_seconds: float) -> None:
        self.place = f"{variable}={name}"
        self._name = name
        self._timeout_seconds = timeout_seconds

    def names(self) -> Iterable[str]:
        return self._values

    def value(self, name: str) -> str:
        value = self._values[name]
        if isinstance(value, bool | int | float):
            # As the environment would have it: `true`, `5`.
            value = json.dumps(value)
        if not isinstance(value, str):
            raise StoreError(f"{name} is neither a text nor a number nor true or false.")
        return value

    @cached_property
    def _values(self) -> dict[str, Any]:
        return self._read()

    @abstractmethod
    def _read(self) -> dict[str, Any]: ...

    @contextmanager
    def _client(self, service: str) -> Iterator[Any]:
        try:
            # Nobody else pays for the import, which takes half a second.
            import boto3  # noqa: PLC0415
            from botocore.config import Config  # noqa: PLC0415
            from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
        except ImportError:
            raise StoreError("boto3 is not installed: run `uv add boto3`.") from None
        config = Config(
            connect_timeout=self._timeout_seconds,
            read_timeout=self._timeout_seconds,
            # The second attempt is for a lost packet. Many processes may start at once.
            retries={"total_max_attempts": 2, "mode": "standard"},
        )
        # A secret is where its ARN says: arn:aws:secretsmanager:eu-central-1:123456789012:secret:x
        region = self._name.split(":")[3] if self._name.startswith("arn:") else None
        try:
            client = boto3.Session().client(service, region_name=region, config=config)
            try:
                yield client
            finally:
                client.close()
        except (BotoCoreError, ClientError) as exc:
            raise StoreError(exc) from None


class JsonSecret(AwsStore):
    """A secret of Secrets Manager: one JSON object, a key for each variable."""

    def _read(self) -> dict[str, Any]:
        with self._client("secretsmanager") as client:
            answer = client.get_secret_value(SecretId=self._name)
        try:
            values = json.loads(answer.get("SecretString", ""))
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise StoreError('the secret is not a JSON object such as {"DOCS_PASSWORD": "..."}.')
        return values


class Parameters(AwsStore):
    """The parameters right below a path, decrypted; the last part of the name is the variable's."""

    def _read(self) -> dict[str, Any]:
        with self._client("ssm") as client:
            pages = client.get_paginator("get_parameters_by_path").paginate(
                Path=self._name, WithDecryption=True
            )
            return {
                parameter["Name"].rpartition("/")[2]: parameter["Value"]
                for page in pages
                for parameter in page["Parameters"]
            }
