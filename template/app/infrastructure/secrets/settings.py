from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsError,
)

from app.core.settings import SettingsGroup
from app.core.variables import is_claimed, misspelt

from .aws import JsonSecret, Parameters
from .files import MountedFiles
from .stores import Store, StoreError


class SecretsSettings(SettingsGroup):
    """Where variables are read that are in neither the environment nor `.env`, the first one first.

    What is named here is read at every start; whatever of it cannot be read ends the start.
    """

    dir: Path | None = None
    aws_secret_id: str | None = None
    aws_ssm_path: Annotated[str, Field(pattern="^/.")] | None = None
    aws_timeout_seconds: Annotated[float, Field(gt=0, le=30)] = 3

    @classmethod
    def further_sources(
        cls, settings: type[BaseSettings]
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (SecretsSource(settings),)

    def stores(self) -> list[Store]:
        stores: list[Store] = []
        if self.dir:
            stores.append(MountedFiles(self.dir))
        if name := self.aws_secret_id:
            stores.append(JsonSecret("SECRETS_AWS_SECRET_ID", name, self.aws_timeout_seconds))
        if path := self.aws_ssm_path:
            stores.append(Parameters("SECRETS_AWS_SSM_PATH", path, self.aws_timeout_seconds))
        return stores


class _Known(BaseModel):
    """What the environment and `.env` say about the stores."""

    model_config = ConfigDict(hide_input_in_errors=True)

    secrets: SecretsSettings = SecretsSettings()


class SecretsSource(EnvSettingsSource):
    """Reads what is kept elsewhere as if it were in the environment.

    Raises `SettingsError` with a line for everything that is wrong.
    """

    def __call__(self) -> dict[str, Any]:
        stores = _Known.model_validate(self.current_state).secrets.stores()
        problems: list[str] = []
        values: dict[str, str] = {}
        for store in reversed(stores):
            try:
                values |= self._read(store)
            except StoreError as exc:
                problems.append(f"{store.place}: {exc}")
        if problems:
            raise SettingsError("\n".join(problems))
        self.env_vars = {name.lower(): value for name, value in values.items() if value}
        return super().__call__()

    def _load_env_vars(self) -> dict[str, str | None]:
        """Nothing yet: where to read is known when the environment is."""
        return {}

    def _read(self, store: Store) -> dict[str, str]:
        names = list(store.names())
        wrong = misspelt(names, self.settings_cls)
        if wrong:
            raise StoreError(" ".join(wrong))
        ours = [name for name in names if is_claimed(name, self.settings_cls)]
        if not ours:
            raise StoreError("nothing in it has the name of a setting, such as DOCS_PASSWORD.")
        for name in ours:
            if name.upper().startswith("SECRETS_"):
                raise StoreError(f"{name} says where secrets are: set it in the environment.")
        values = {name.upper(): store.value(name) for name in ours}
        if len(values) < len(ours):
            raise StoreError("two names differ in upper and lower case alone.")
        return values
