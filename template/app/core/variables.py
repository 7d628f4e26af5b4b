"""The names of the variables that the settings read, wherever the values come from."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import reduce
from operator import or_

from pydantic import BaseModel
from pydantic_settings import BaseSettings

from .settings import SettingsGroup

# Two names this alike are one of them misspelt: ENVIRONMNT, LOGLEVEL, DATABSE_URL.
_ALIKE = 0.85


def variables(settings: type[BaseSettings]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each variable with the path of its field: `DOCS_PASSWORD`, `("docs", "password")`."""
    for name, field in settings.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            for inner in group.model_fields:
                yield f"{name}_{inner}".upper(), (name, inner)
        else:
            yield name.upper(), (name,)


def is_claimed(name: str, settings: type[BaseSettings]) -> bool:
    """Whether the settings read a variable of this name, or refuse it for its group's sake."""
    return any(
        name.upper() == known or (len(path) > 1 and name.upper().startswith(f"{path[0]}_".upper()))
        for known, path in variables(settings)
    )


def misspelt(given: Iterable[str], settings: type[BaseSettings]) -> list[str]:
    """One line for each name that looks like a setting without being one."""
    known = {name for name, _ in variables(settings)}
    # A group's own name would be read as all of its values at once, in JSON.
    groups = {path[0].upper() for _, path in variables(settings) if len(path) > 1}
    letters = {name: _letters(name) for name in known}
    problems = []
    for name in sorted({*given} - known):
        # Two that are alike have most letters in common; comparing all with all takes a while.
        mine, most = _letters(name.upper()), 1 - _ALIKE
        near = [
            other
            for other, theirs in letters.items()
            if (mine ^ theirs).bit_count() <= most * (len(name) + len(other))
        ]
        match = get_close_matches(name.upper(), near, n=1, cutoff=_ALIKE)
        is_wrong = match or name.upper() in groups
        if name.upper() not in known and is_wrong and not _is_of_others(name.upper(), settings):
            problems.append(no_such_setting(name, match[0] if match else None))
    return problems


def _letters(name: str) -> int:
    """A bit for each character that occurs."""
    return reduce(or_, (1 << ord(it) for it in {*name}), 0)


def no_such_setting(name: str, match: str | None) -> str:
    hint = f" Did you mean {match}?" if match else " `python -m app.cli settings` lists them."
    return f"{name}: there is no such setting.{hint}"


def _is_of_others(name: str, settings: type[BaseSettings]) -> bool:
    return any(
        group.is_of_others(name)
        for field in settings.model_fields.values()
        if isinstance(group := field.annotation, type) and issubclass(group, SettingsGroup)
    )
