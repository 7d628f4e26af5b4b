"""The feature manifest (`_exclude` in copier.yml) and the files of template/ that contain Jinja."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pathspec import GitIgnoreSpec

from harness import ROOT
from harness.projects import work_tree
from harness.questionnaire import Answers, Value
from harness.rows import questionnaire, switches_of

JINJA_FILES = ROOT / "tests" / "jinja_files.txt"


@cache
def template_files() -> frozenset[str]:
    """The files of template/ by path."""
    return frozenset(name.removeprefix("template/") for name in work_tree() if name.startswith("template/"))


def excluded(answers: Answers, operation: str = "copy") -> frozenset[str]:
    """The patterns that the manifest gives for these answers and what follows from them."""
    context = {**questionnaire().derived(answers), **answers, "_copier_operation": operation}
    rendered = [questionnaire().jinja.from_string(entry).render(context) for entry in questionnaire().config["exclude"]]
    return frozenset(line.strip() for entry in rendered for line in entry.splitlines() if line.strip())


def everything() -> dict[str, Value]:
    """All switches on."""
    return switches_of({"preset": "everything"})


def complete() -> dict[str, Value]:
    """Each switch on, those too that the preset leaves out because they exclude others: what template/ is."""
    return {name: value if isinstance(value, str) else True for name, value in everything().items()}


def guarded(name: str, value: Value) -> frozenset[str]:
    """The patterns that only this switch value leaves out."""
    return excluded({**complete(), name: value}) - excluded(complete())


def all_guarded() -> Mapping[tuple[str, Value], frozenset[str]]:
    """The patterns of every switch value that leaves files out."""
    on = complete()
    values = {
        (name, value) for name, options in questionnaire().switches.items() for value in options if value != on[name]
    }
    return {(name, value): patterns for name, value in sorted(values, key=str) if (patterns := guarded(name, value))}


def guarded_by_derived() -> frozenset[str]:
    """The patterns of what is there where several switches are on."""
    on = complete()
    names = questionnaire().derived_switches
    return frozenset[str]().union(*(excluded({**on, name: False}) - excluded(on) for name in names))


def matching(patterns: frozenset[str]) -> frozenset[str]:
    """The template's files that gitignore patterns match."""
    return frozenset(GitIgnoreSpec.from_lines(sorted(patterns)).match_files(template_files()))


def has_jinja(path: str) -> bool:
    """Whether Copier's own lexer finds anything but text."""
    data = (ROOT / "template" / path).read_bytes()
    if b"\0" in data:
        return False
    return any(kind != "data" for _, kind, _ in questionnaire().jinja.lex(data.decode()))


def listed_jinja_files() -> list[str]:
    """The files that may contain Jinja."""
    lines = Path(JINJA_FILES).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]
