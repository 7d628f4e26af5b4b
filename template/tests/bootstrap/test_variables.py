import re
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError, field_validator
from pydantic_settings import SettingsConfigDict, SettingsError

from app.bootstrap.settings import Settings, load_settings
from app.bootstrap.variables import (
    ConfigurationError,
    explain,
    misspelt_variables,
)
from app.core.settings import ServiceSettings, SettingsGroup
from app.core.variables import variables

EXAMPLE = Path(__file__).parents[2] / ".env.example"


class KettleSettings(SettingsGroup):
    litres: int = 1
    pin_code: SecretStr = SecretStr("0000")

    @classmethod
    def is_of_others(cls, variable: str) -> bool:
        return variable == "KETTLE_LITRESS"

    @field_validator("pin_code")
    @classmethod
    def _is_long(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 4:
            raise ValueError("must have 4 digits; take a longer one")
        return value


class KitchenSettings(ServiceSettings):
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    name: str = "kitchen"
    kettle: KettleSettings = KettleSettings()


def explanation(**values: object) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        KitchenSettings.model_validate(values)
    return explain(caught.value, KitchenSettings)


class TestVariables:
    def test_are_named_for_group_and_field(self) -> None:
        assert list(variables(KitchenSettings)) == [
            ("NAME", ("name",)),
            ("KETTLE_LITRES", ("kettle", "litres")),
            ("KETTLE_PIN_CODE", ("kettle", "pin_code")),
        ]


class TestMisspeltVariables:
    def test_needs_no_env_file(
        self, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (bare_environment / ".env").write_text("KETTLE_LITRE=1\n")
        assert misspelt_variables(KitchenSettings) == []

        monkeypatch.setenv("KETLE_LITRES", "1")
        assert misspelt_variables(KitchenSettings) == [
            "  KETLE_LITRES: there is no such setting. Did you mean KETTLE_LITRES?"
        ]

    def test_lets_what_others_read_pass(
        self, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert bare_environment.is_dir()
        monkeypatch.setenv("KETTLE_LITRESS", "1")

        assert misspelt_variables(KitchenSettings) == []

    def test_lets_what_is_less_alike_pass(
        self, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert bare_environment.is_dir()
        monkeypatch.setenv("KETTLE_METRES", "1")
        monkeypatch.setenv("kettle_litres", "1")

        assert misspelt_variables(KitchenSettings) == []


class TestExplain:
    def test_names_the_variable(self) -> None:
        (problem,) = explanation(kettle={"litres": "many"})

        assert problem == (
            "  KETTLE_LITRES: Input should be a valid integer, unable to parse string as an integer"
        )

    def test_names_a_group(self) -> None:
        (problem,) = explanation(kettle=7)
        assert problem.startswith("  KETTLE: Input should be a valid dictionary")

    def test_keeps_a_message_of_several_sentences_together(self) -> None:
        assert explanation(kettle={"pin_code": "1"}) == [
            "  KETTLE_PIN_CODE: must have 4 digits; take a longer one"
        ]

    def test_suggests_the_nearest_name(self) -> None:
        (problem,) = explanation(kettle={"pincode": "1"})

        assert problem == (
            "  KETTLE_PINCODE: there is no such setting. Did you mean KETTLE_PIN_CODE?"
        )

    def test_says_where_the_names_are_when_none_is_near(self) -> None:
        (problem,) = explanation(kettle={"wwwwwwwwwwwwwwwwwwww": "1"})

        assert problem == (
            "  KETTLE_WWWWWWWWWWWWWWWWWWWW: there is no such setting. `python -m app.cli settings` "
            "lists them."
        )

    def test_repeats_what_the_source_says(self) -> None:
        error = SettingsError('error parsing value for field "kettle"')

        assert explain(error, KitchenSettings) == ['  error parsing value for field "kettle"']


class TestConfigurationError:
    def test_reads_as_a_list(self) -> None:
        error = ConfigurationError(["  A: wrong", "  B: missing"])

        assert str(error) == "The configuration is not valid:\n  A: wrong\n  B: missing"


class TestEnvExample:
    def test_lists_every_setting_once(self) -> None:
        listed = re.findall(r"^#? ?([A-Z][A-Z0-9_]*)=", EXAMPLE.read_text(), re.MULTILINE)

        assert sorted(listed) == sorted(name for name, _ in variables(Settings))

    def test_shows_the_defaults(self, bare_environment: Path) -> None:
        defaults = load_settings()
        uncommented = re.sub(
            r"^# ?(?=[A-Z][A-Z0-9_]*=)", "", EXAMPLE.read_text(), flags=re.MULTILINE
        )
        (bare_environment / ".env").write_text(uncommented)
        settings = load_settings()

        for name, path in variables(Settings):
            assert value_of(settings, path) == value_of(defaults, path), name


def value_of(settings: Settings, path: tuple[str, ...]) -> object:
    """A secret as its mask: each process may make one of its own."""
    value: object = settings
    for part in path:
        value = getattr(value, part)
    return str(value) if isinstance(value, SecretStr) else value
