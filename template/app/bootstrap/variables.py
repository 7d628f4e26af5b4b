"""What is wrong with the environment variables that the settings read, in terms of their names."""

import os
from difflib import get_close_matches

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

from app.core.variables import misspelt, no_such_setting, variables


class ConfigurationError(Exception):
    """The service cannot start as it is configured; `problems` says why, line by line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(["The configuration is not valid:", *problems]))
        self.problems = problems


def misspelt_variables(settings: type[BaseSettings]) -> list[str]:
    """One line for each variable that is set and looks like a setting without being one."""
    env_file = settings.model_config.get("env_file")
    given = {*os.environ, *(dotenv_values(env_file) if isinstance(env_file, str) else ())}
    return [f"  {line}" for line in misspelt(given, settings)]


def explain(exc: ValidationError | SettingsError, settings: type[BaseSettings]) -> list[str]:
    """What pydantic found wrong, in terms of variables and without values."""
    if isinstance(exc, SettingsError):
        return [f"  {line}" for line in str(exc).splitlines()]
    known = {name for name, _ in variables(settings)}
    lines = []
    for error in exc.errors(include_input=False, include_url=False, include_context=False):
        name = "_".join(str(part) for part in error["loc"][:2]).upper()
        if error["type"] == "extra_forbidden":
            match = get_close_matches(name, known, n=1, cutoff=0.5)
            lines.append(f"  {no_such_setting(name, match[0] if match else None)}")
        else:
            message = error["msg"].removeprefix("Value error, ")
            prefix = f"  {name}: " if name else "  "
            lines.extend(prefix + line for line in message.splitlines())
    return lines
