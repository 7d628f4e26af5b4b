import importlib
import socket
import sys
from collections.abc import Generator
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from app.bootstrap.settings import load_settings

from .conftest import Problems, client_of


@pytest.fixture
def silence() -> Generator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


class TestOutage:
    @pytest.fixture(autouse=True)
    def _secret(self, credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG002
        monkeypatch.setenv("SECRETS_AWS_SECRET_ID", "shop")

    def test_of_the_network_ends_the_start(
        self, problems: Problems, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

        assert problems() == [
            (
                "SECRETS_AWS_SECRET_ID=shop: Could not connect to the endpoint URL: "
                '"http://127.0.0.1:1/"'
            )
        ]

    def test_of_the_answer_ends_the_start(
        self, problems: Problems, silence: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", silence)
        monkeypatch.setenv("SECRETS_AWS_TIMEOUT_SECONDS", "0.1")

        assert problems() == [
            f'SECRETS_AWS_SECRET_ID=shop: Read timeout on endpoint URL: "{silence}/"'
        ]

    def test_of_credentials_ends_the_start(
        self, problems: Problems, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")

        assert problems() == ["SECRETS_AWS_SECRET_ID=shop: Unable to locate credentials"]

    def test_of_the_region_ends_the_start(
        self, problems: Problems, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")

        assert problems() == ["SECRETS_AWS_SECRET_ID=shop: You must specify a region."]

    def test_of_the_library_ends_the_start(
        self, problems: Problems, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "boto3", None)

        assert problems() == [
            "SECRETS_AWS_SECRET_ID=shop: boto3 is not installed: run `uv add boto3`."
        ]

    def test_of_the_permission_ends_the_start(
        self, problems: Problems, aws: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of a user who exists and may do nothing."""
        iam = client_of("iam")
        user = f"user-{uuid4().hex}"
        iam.create_user(UserName=user)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        iam.close()
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        before = httpx2.post(f"{aws}/moto-api/reset-auth", content="0").json()
        try:
            text = " ".join(problems())
        finally:
            httpx2.post(
                f"{aws}/moto-api/reset-auth",
                content=str(before["PREVIOUS_INITIAL_NO_AUTH_ACTION_COUNT"]),
            )

        assert text.startswith("SECRETS_AWS_SECRET_ID=shop: An error occurred (")
        assert f"user/{user} is not authorized to perform: secretsmanager:GetSecretValue" in text

    def test_of_several_stores_has_a_line_for_each(
        self, problems: Problems, mounted: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mounted.rmdir()
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        monkeypatch.setenv("SECRETS_AWS_SSM_PATH", "/shop")

        assert [line.split("=")[0] for line in problems()] == [
            "SECRETS_AWS_SSM_PATH",
            "SECRETS_AWS_SECRET_ID",
            "SECRETS_DIR",
        ]


class TestImport:
    def test_of_the_library_waits_until_a_secret_is_named(
        self, mounted: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (mounted / "PORT").write_text("9000")
        monkeypatch.setitem(sys.modules, "boto3", None)

        assert load_settings().port == 9000
        with pytest.raises(ImportError):
            importlib.import_module("boto3")
