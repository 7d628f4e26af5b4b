import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from app.bootstrap.settings import load_settings
from app.bootstrap.variables import ConfigurationError

Problems = Callable[[], list[str]]

REGION = "eu-central-1"


@pytest.fixture(autouse=True)
def folder(bare_environment: Path) -> Path:
    """The working folder."""
    return bare_environment


@pytest.fixture
def mounted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of mounted files."""
    path = folder / "run-secrets"
    path.mkdir()
    monkeypatch.setenv("SECRETS_DIR", str(path))
    return path


@pytest.fixture
def problems() -> Problems:
    """What ends the start, line by line, without the indentation."""

    def load() -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            load_settings()
        assert caught.value.__cause__ is None
        assert "hunter2" not in str(caught.value)
        return [line.removeprefix("  ") for line in caught.value.problems]

    return load


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    # Not those of whoever runs the tests.
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture
def aws(moto_url: str, credentials: None, monkeypatch: pytest.MonkeyPatch) -> str:  # noqa: ARG001
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    return moto_url


def client_of(service: str) -> Any:  # noqa: ANN401 (boto3 makes its classes when it runs)
    return boto3.Session().client(service)


@pytest.fixture
def secret(aws: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:  # noqa: ARG001
    def store(content: object) -> str:
        """Its ARN; the service is told to read it."""
        client = client_of("secretsmanager")
        if isinstance(content, bytes):
            given: dict[str, object] = {"SecretBinary": content}
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            given = {"SecretString": text}
        arn = str(client.create_secret(Name=f"shop/{uuid4().hex}", **given)["ARN"])
        client.close()
        monkeypatch.setenv("SECRETS_AWS_SECRET_ID", arn)
        return arn

    return store


@pytest.fixture
def parameters(aws: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:  # noqa: ARG001
    def store(**values: str) -> str:
        """Their path; the service is told to read it."""
        client = client_of("ssm")
        path = f"/shop/{uuid4().hex}"
        for name, value in values.items():
            client.put_parameter(Name=f"{path}/{name}", Value=value, Type="SecureString")
        client.close()
        monkeypatch.setenv("SECRETS_AWS_SSM_PATH", path)
        return path

    return store
