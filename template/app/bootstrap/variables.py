"""The names of the environment variables that the settings read, and help with wrong ones."""

import os
from collections.abc import Iterator
from difflib import get_close_matches

from dotenv import dotenv_values
from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, SettingsError

# Two names this alike are one of them misspelt: ENVIRONMNT, LOGLEVEL, DATABSE_URL.
_ALIKE = 0.85


class ConfigurationError(Exception):
    """The service cannot start as it is configured; `problems` says why, line by line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(["The configuration is not valid:", *problems]))
        self.problems = problems


def variables(settings: type[BaseSettings]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each variable with the path of its field: `DOCS_PASSWORD`, `("docs", "password")`."""
    for name, field in settings.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            for inner in group.model_fields:
                yield f"{name}_{inner}".upper(), (name, inner)
        else:
            yield name.upper(), (name,)


def misspelt_variables(settings: type[BaseSettings]) -> list[str]:
    """One line for each variable that is set and looks like a setting without being one."""
    known = {name for name, _ in variables(settings)}
    # A group's own name would be read as all of its values at once, in JSON.
    groups = {path[0].upper() for _, path in variables(settings) if len(path) > 1}
    env_file = settings.model_config.get("env_file")
    given = {*os.environ, *(dotenv_values(env_file) if isinstance(env_file, str) else ())}
    problems = []
    for name in sorted(given - known):
        match = get_close_matches(name.upper(), known, n=1, cutoff=_ALIKE)
        if name.upper() not in known and (match or name.upper() in groups):
            problems.append(_unknown(name, match[0] if match else None))
    return problems


def explain(exc: ValidationError | SettingsError, settings: type[BaseSettings]) -> list[str]:
    """What pydantic found wrong, in terms of variables and without values."""
    if isinstance(exc, SettingsError):
        return [f"  {exc}"]
    known = {name for name, _ in variables(settings)}
    lines = []
    for error in exc.errors(include_input=False, include_url=False, include_context=False):
        name = "_".join(str(part) for part in error["loc"][:2]).upper()
        if error["type"] == "extra_forbidden":
            match = get_close_matches(name, known, n=1, cutoff=0.5)
            lines.append(_unknown(name, match[0] if match else None))
        else:
            message = error["msg"].removeprefix("Value error, ")
            prefix = f"  {name}: " if name else "  "
            lines.extend(prefix + line for line in message.splitlines())
    return lines


def _unknown(name: str, match: str | None) -> str:
    hint = f" Did you mean {match}?" if match else " `python -m app.cli settings` lists them."
    return f"  {name}: there is no such setting.{hint}"
