"""What every group of settings is built from."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource


class Environment(StrEnum):
    DEVELOPMENT = "development"
    TEST = "test"
    STAGING = "staging"
    PRODUCTION = "production"

    @property
    def is_deployed(self) -> bool:
        """Whether the stand-ins of development are refused here."""
        return self in {Environment.STAGING, Environment.PRODUCTION}


class SettingsGroup(BaseModel):
    """The settings of one feature.

    A group named `docs` reads `DOCS_ENABLED`, `DOCS_PASSWORD` and so on; a misspelt name with that
    prefix stops the start-up. Values are never part of an error message.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    def refusals(self) -> list[str]:
        """What a deployed environment cannot run with: one sentence each, naming the variable."""
        return []

    @classmethod
    def further_sources(
        cls,
        settings: type[BaseSettings],  # noqa: ARG003 (for those that have some)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where else the values of all groups come from; the environment and `.env` win."""
        return ()

    @classmethod
    def is_of_others(cls, variable: str) -> bool:  # noqa: ARG003
        """Whether a variable with the group's prefix is known to be read by somebody else."""
        return False


def split_commas(value: object) -> object:
    if isinstance(value, str):
        return tuple(item for item in (part.strip() for part in value.split(",")) if item)
    return value


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_commas)]
"""A list written as `a,b,c`, the way platforms' web forms expect it."""


class ServiceSettings(BaseSettings):
    """The root of the configuration; its fields are groups."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (knows no groups)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        groups = (
            field.annotation
            for field in settings_cls.model_fields.values()
            if isinstance(field.annotation, type) and issubclass(field.annotation, SettingsGroup)
        )
        further = (source for group in groups for source in group.further_sources(settings_cls))
        return (init_settings, env_settings, dotenv_settings, *further)

    def refusals(self) -> list[str]:
        """What the groups refuse in a deployed environment."""
        groups = (value for _, value in self if isinstance(value, SettingsGroup))
        return [refusal for group in groups for refusal in group.refusals()]
