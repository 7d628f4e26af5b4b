from pathlib import Path
from traceback import format_exception

import pytest
from pydantic import ValidationError

from app.bootstrap.settings import VERSION, Settings, load_settings
from app.bootstrap.variables import ConfigurationError
from app.core.settings import Environment, SettingsGroup
from app.infrastructure.logging.settings import LogFormat, LogLevel
from tests.support import FixedSettings

CORS_REFUSAL = (
    "CORS_ORIGINS=* with CORS_ALLOW_CREDENTIALS=true lets any site act for a user who is logged "
    "in: name the origins."
)
DOCS_REFUSAL = (
    "DOCS_ENABLED=true would publish the API documentation: set DOCS_PASSWORD (at least 16 "
    "characters) as well, or leave DOCS_ENABLED unset."
)
SECRET = "hunter2-hunter2"  # whatever is wrong with it, it is not printed


@pytest.fixture(autouse=True)
def folder(bare_environment: Path) -> Path:
    return bare_environment


def problems() -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    text = str(caught.value)
    assert text.startswith("The configuration is not valid:\n  ")
    assert SECRET not in "".join(format_exception(caught.value))
    return caught.value.problems


class TestLoadSettings:
    def test_needs_nothing_in_development(self) -> None:
        settings = load_settings()

        assert settings.environment is Environment.DEVELOPMENT
        assert settings.port == 8000
        assert settings.release == VERSION
        assert settings.cors.origins == ()
        assert settings.trusted.hosts == ("*",)
        assert settings.docs.enabled is None
        assert settings.request.max_body_bytes == 1048576
        assert settings.security.hsts_seconds == 31536000
        assert settings.log.level is LogLevel.INFO
        assert settings.log.format is None

    def test_reads_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ENVIRONMENT", "test")
        monkeypatch.setenv("PORT", "9000")
        monkeypatch.setenv("RELEASE", "4f2a9c1")
        monkeypatch.setenv("LOG_LEVEL", "WARNING")
        monkeypatch.setenv("LOG_FORMAT", "json")
        monkeypatch.setenv("CORS_ORIGINS", "https://a.example, https://b.example")
        monkeypatch.setenv("REQUEST_MAX_BODY_BYTES", "2048")
        settings = load_settings()

        assert settings.environment is Environment.TEST
        assert settings.port == 9000
        assert settings.release == "4f2a9c1"
        assert settings.log.level is LogLevel.WARNING
        assert settings.log.format is LogFormat.JSON
        assert settings.cors.origins == ("https://a.example", "https://b.example")
        assert settings.request.max_body_bytes == 2048

    def test_reads_the_env_file(self, folder: Path) -> None:
        (folder / ".env").write_text("PORT=9000\nexport TRUSTED_HOSTS='a.example,b.example'\n")
        settings = load_settings()

        assert settings.port == 9000
        assert settings.trusted.hosts == ("a.example", "b.example")

    def test_prefers_the_environment(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / ".env").write_text("PORT=9000\nCORS_ORIGINS=https://a.example\nLOG_LEVEL=debug\n")
        monkeypatch.setenv("PORT", "9001")
        monkeypatch.setenv("CORS_ORIGINS", "https://b.example")
        monkeypatch.setenv("CORS_ALLOW_CREDENTIALS", "true")
        settings = load_settings()

        assert settings.port == 9001
        assert settings.cors.origins == ("https://b.example",)
        assert settings.cors.allow_credentials is True
        assert settings.log.level is LogLevel.DEBUG

    def test_treats_an_empty_variable_as_unset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("PORT", "LOG_FORMAT", "DOCS_ENABLED", "DOCS_PASSWORD", "CORS_ORIGINS"):
            monkeypatch.setenv(name, "")
        settings = load_settings()

        assert settings.port == 8000
        assert settings.log.format is None
        assert settings.docs.enabled is None
        assert settings.docs.password is None
        assert settings.cors.origins == ()

    def test_leaves_variables_of_other_programs_alone(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / ".env").write_text("COMPOSE_PROJECT_NAME=x\nnot a variable\n")
        monkeypatch.setenv("UVICORN_PORT", "9")
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
        monkeypatch.setenv("WEB_CONCURRENCY", "2")

        assert load_settings().port == 8000

    def test_cannot_be_changed_afterwards(self) -> None:
        settings = load_settings()

        with pytest.raises(ValueError, match="frozen"):
            settings.port = 1  # type: ignore[misc]


class TestWrongValue:
    @pytest.mark.parametrize(
        ("name", "value", "problem"),
        [
            (
                "PORT",
                SECRET,
                "Input should be a valid integer, unable to parse string as an integer",
            ),
            ("PORT", "0", "Input should be greater than or equal to 1"),
            ("PORT", "65536", "Input should be less than or equal to 65535"),
            ("RELEASE", "a b", r"String should match pattern '^[A-Za-z0-9_.+-]{1,100}$'"),
            (
                "ENVIRONMENT",
                SECRET,
                "Input should be 'development', 'test', 'staging' or 'production'",
            ),
            ("LOG_LEVEL", SECRET, "Input should be 'debug', 'info', 'warning' or 'error'"),
            ("LOG_LEVEL", "VERBOSE", "Input should be 'debug', 'info', 'warning' or 'error'"),
            ("LOG_FORMAT", SECRET, "Input should be 'console' or 'json'"),
            ("DOCS_ENABLED", SECRET, "Input should be a valid boolean, unable to interpret input"),
            ("REQUEST_MAX_BODY_BYTES", "1023", "Input should be greater than or equal to 1024"),
            ("SECURITY_HSTS_SECONDS", "-1", "Input should be greater than or equal to 0"),
        ],
    )
    @pytest.mark.parametrize("place", ["environment", ".env"])
    def test_is_named_without_the_value(
        self,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
        value: str,
        problem: str,
        place: str,
    ) -> None:
        if place == ".env":
            (folder / ".env").write_text(f"{name}={value}\n")
        else:
            monkeypatch.setenv(name, value)

        assert problems() == [f"  {name}: {problem}"]

    def test_is_named_together_with_all_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PORT", SECRET)
        monkeypatch.setenv("LOG_FORMAT", SECRET)

        assert [line.split(":")[0] for line in problems()] == ["  PORT", "  LOG_FORMAT"]

    @pytest.mark.parametrize("value", [SECRET, '{"level": "debug"}'])
    def test_is_not_taken_for_a_whole_group(
        self, monkeypatch: pytest.MonkeyPatch, value: str
    ) -> None:
        monkeypatch.setenv("LOG", value)

        assert problems() == [
            "  LOG: there is no such setting. `python -m app.cli settings` lists them."
        ]

    def test_is_not_shown_by_the_original_error_either(self) -> None:
        with pytest.raises(ValidationError) as caught:
            FixedSettings(port=SECRET)

        assert SECRET not in str(caught.value)


class TestMisspeltVariable:
    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("ENVIRONMNT", "ENVIRONMENT"),
            ("LOGLEVEL", "LOG_LEVEL"),
            ("LOG_LEVLE", "LOG_LEVEL"),
            ("log_leval", "LOG_LEVEL"),
            ("CORS_ORIGIN", "CORS_ORIGINS"),
            ("TRUSTED_HOST", "TRUSTED_HOSTS"),
            ("DOC_PASSWORD", "DOCS_PASSWORD"),
        ],
    )
    @pytest.mark.parametrize("place", ["environment", ".env"])
    def test_stops_the_start(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, meant: str, place: str
    ) -> None:
        if place == ".env":
            (folder / ".env").write_text(f"{name}={SECRET}\n")
        else:
            monkeypatch.setenv(name, SECRET)

        assert problems() == [f"  {name}: there is no such setting. Did you mean {meant}?"]

    @pytest.mark.parametrize("place", ["environment", ".env"])
    def test_with_a_group_for_prefix_stops_the_start(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, place: str
    ) -> None:
        if place == ".env":
            (folder / ".env").write_text(f"DOCS_QQQQQQQQQQQQQ={SECRET}\n")
        else:
            monkeypatch.setenv("DOCS_QQQQQQQQQQQQQ", SECRET)

        (problem,) = problems()
        assert problem == (
            "  DOCS_QQQQQQQQQQQQQ: there is no such setting. `python -m app.cli settings` lists "
            "them."
        )


class TestDeployed:
    """Beside these, each feature refuses its own stand-ins; see the tests of its settings."""

    REFUSED = (
        ({"CORS_ORIGINS": "https://a.example,*", "CORS_ALLOW_CREDENTIALS": "true"}, CORS_REFUSAL),
        ({"DOCS_ENABLED": "true"}, DOCS_REFUSAL),
        ({"DOCS_ENABLED": "true", "DOCS_PASSWORD": SECRET}, DOCS_REFUSAL),
    )

    @pytest.mark.parametrize(("variables", "problem"), REFUSED)
    @pytest.mark.parametrize("environment", ["staging", "production"])
    def test_refuses(
        self,
        monkeypatch: pytest.MonkeyPatch,
        variables: dict[str, str],
        problem: str,
        environment: str,
    ) -> None:
        monkeypatch.setenv("ENVIRONMENT", environment)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

        assert f"  {problem}" in problems()

    @pytest.mark.parametrize(("variables", "problem"), REFUSED)
    @pytest.mark.parametrize("environment", ["development", "test"])
    def test_allows_elsewhere(
        self,
        monkeypatch: pytest.MonkeyPatch,
        variables: dict[str, str],
        problem: str,
        environment: str,
    ) -> None:
        monkeypatch.setenv("ENVIRONMENT", environment)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

        assert problem in load_settings().refusals()

    def test_tells_every_refusal_on_a_line_of_its_own(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ENVIRONMENT", "production")
        monkeypatch.setenv("DOCS_ENABLED", "true")
        monkeypatch.setenv("CORS_ORIGINS", "*")
        monkeypatch.setenv("CORS_ALLOW_CREDENTIALS", "true")
        refusals = FixedSettings(
            docs={"enabled": True}, cors={"origins": "*", "allow_credentials": True}
        ).refusals()

        assert len(refusals) >= 2
        assert problems() == [f"  {refusal}" for refusal in refusals]


class TestGroups:
    @pytest.mark.parametrize(
        "group",
        [
            field.annotation
            for field in Settings.model_fields.values()
            if isinstance(field.annotation, type) and issubclass(field.annotation, SettingsGroup)
        ],
    )
    def test_are_frozen_and_refuse_unknown_fields(self, group: type[SettingsGroup]) -> None:
        # Unless others have variables with the same prefix: it says of which it knows.
        is_shared = "is_of_others" in vars(group)
        assert group.model_config["extra"] == ("ignore" if is_shared else "forbid")
        assert group.model_config["frozen"] is True
        assert group.model_config["hide_input_in_errors"] is True
