from collections.abc import Callable
from pathlib import Path

import pytest

from app.bootstrap.settings import load_settings

from .conftest import REGION, Problems


class TestSecret:
    def test_has_a_key_for_each_variable(self, secret: Callable[..., str]) -> None:
        secret(
            {
                "DOCS_PASSWORD": "hunter2",
                "port": 9000,
                "CORS_ALLOW_CREDENTIALS": True,
                "CORS_ORIGINS": "https://a.example,https://b.example",
                "LOG_FORMAT": "",
            }
        )
        settings = load_settings()

        assert settings.docs.password is not None
        assert settings.docs.password.get_secret_value() == "hunter2"
        assert settings.port == 9000
        assert settings.cors.allow_credentials is True
        assert settings.cors.origins == ("https://a.example", "https://b.example")
        assert settings.log.format is None

    def test_may_have_keys_for_others(self, secret: Callable[..., str]) -> None:
        secret({"PORT": 9000, "billing": {"token": "hunter2"}})

        assert load_settings().port == 9000

    def test_is_read_in_the_region_of_its_arn(
        self, secret: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert f":{REGION}:" in secret({"PORT": 9000})
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")

        assert load_settings().port == 9000

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            ("hunter2", 'the secret is not a JSON object such as {"DOCS_PASSWORD": "..."}.'),
            (["hunter2"], 'the secret is not a JSON object such as {"DOCS_PASSWORD": "..."}.'),
            (
                {"username": "hunter2"},
                "nothing in it has the name of a setting, such as DOCS_PASSWORD.",
            ),
            (
                {"LOGLEVEL": "hunter2"},
                "LOGLEVEL: there is no such setting. Did you mean LOG_LEVEL?",
            ),
            (
                {"DOCS_PASSWORD": {"value": "hunter2"}},
                "DOCS_PASSWORD is neither a text nor a number nor true or false.",
            ),
            (
                {"DOCS_PASSWORD": None},
                "DOCS_PASSWORD is neither a text nor a number nor true or false.",
            ),
            (
                {"PORT": "1", "port": "2"},
                "two names differ in upper and lower case alone.",
            ),
        ],
    )
    def test_that_is_of_no_use_ends_the_start(
        self, secret: Callable[..., str], problems: Problems, content: object, problem: str
    ) -> None:
        arn = secret(content)

        assert problems() == [f"SECRETS_AWS_SECRET_ID={arn}: {problem}"]

    def test_that_is_binary_ends_the_start(
        self, secret: Callable[..., str], problems: Problems
    ) -> None:
        arn = secret(b"hunter2")

        assert problems() == [
            (
                f"SECRETS_AWS_SECRET_ID={arn}: the secret is not a JSON object such as "
                '{"DOCS_PASSWORD": "..."}.'
            )
        ]

    @pytest.mark.usefixtures("aws")
    def test_that_is_missing_ends_the_start(
        self, problems: Problems, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SECRETS_AWS_SECRET_ID", "shop/gone")

        assert problems() == [
            (
                "SECRETS_AWS_SECRET_ID=shop/gone: An error occurred (ResourceNotFoundException) "
                "when calling the GetSecretValue operation: Secrets Manager can't find the "
                "specified secret."
            )
        ]


class TestParameters:
    def test_end_in_the_name_of_a_variable(self, parameters: Callable[..., str]) -> None:
        """One request answers ten at most."""
        others = {f"of_others_{number}": "x" for number in range(12)}
        parameters(**others, DOCS_PASSWORD="hunter2", PORT="9000")
        settings = load_settings()

        assert settings.docs.password is not None
        assert settings.docs.password.get_secret_value() == "hunter2"
        assert settings.port == 9000

    @pytest.mark.parametrize(
        ("values", "problem"),
        [
            ({}, "nothing in it has the name of a setting, such as DOCS_PASSWORD."),
            (
                {"DOC_PASSWORD": "hunter2"},
                "DOC_PASSWORD: there is no such setting. Did you mean DOCS_PASSWORD?",
            ),
        ],
    )
    def test_that_are_of_no_use_end_the_start(
        self,
        parameters: Callable[..., str],
        problems: Problems,
        values: dict[str, str],
        problem: str,
    ) -> None:
        path = parameters(**values)

        assert problems() == [f"SECRETS_AWS_SSM_PATH={path}: {problem}"]

    def test_are_below_a_path(self, problems: Problems, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SECRETS_AWS_SSM_PATH", "shop/production")

        assert problems() == ["SECRETS_AWS_SSM_PATH: String should match pattern '^/.'"]


class TestPrecedence:
    def test_is_files_then_the_secret_then_parameters(
        self, mounted: Path, secret: Callable[..., str], parameters: Callable[..., str]
    ) -> None:
        (mounted / "PORT").write_text("9001")
        secret({"PORT": 9002, "LOG_LEVEL": "error"})
        parameters(PORT="9003", LOG_LEVEL="debug", LOG_FORMAT="json")
        settings = load_settings()

        assert settings.port == 9001
        assert settings.log.level == "error"
        assert settings.log.format == "json"
