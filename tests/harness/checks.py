"""What is wrong with a rendered project, as lines of text; none of it needs an environment."""

import ast
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import yaml

from harness import ROOT
from harness.commands import run
from harness.projects import Tree, empty_folders, read_texts, read_tree
from harness.questionnaire import Value

# `${{ }}` is GitHub's own, and `{%` and `{#` occur in nothing that we render.
DELIMITERS = re.compile(r"\{%|%\}|\{#|#\}|(?<!\$)\{\{[ -]|(?<!\$)\{\{\w+\}\}")
# The templates of a Helm chart are Go's, whose words these two are; `tests/artefacts/kubernetes.py` has Helm read them.
GO_TEMPLATES = re.compile(r"/chart/templates/")
GO_DELIMITERS = re.compile(r"\{%|%\}|\{#|#\}|\{\{ ?(?!end\b|else\b)\w+ ?\}\}")
# Written so that this file does not name one itself.
REGISTRIES = re.compile(r"pypi[.]org|pythonhosted[.]org|registry[.]npmjs|/simple/?[\"'\s]", re.IGNORECASE)
BLANK_LINES = {".py": 2, ".mako": 2}
MAY_BE_EMPTY = {"__init__.py", "py.typed"}


@cache
def residue() -> Mapping[str, Mapping[Value, re.Pattern[str]]]:
    """For each switch and value the words that give it away; written as data in residue.yml."""
    entries = yaml.safe_load((ROOT / "tests" / "residue.yml").read_text())
    return {
        name: {value: re.compile(pattern, re.IGNORECASE) for value, pattern in entry.items()}
        if isinstance(entry, dict)
        else {True: re.compile(entry, re.IGNORECASE)}
        for name, entry in entries.items()
    }


def problems(project: Path, switches: Mapping[str, Value]) -> list[str]:
    """Everything that is wrong, each with its file."""
    files, texts = read_tree(project), read_texts(project)
    found = [f"{folder}/: empty folder" for folder in empty_folders(project)]
    for name, text in texts.items():
        found += [f"{name}: {problem}" for problem in problems_of(name, text)]
    return found + residue_problems(files, texts, switches) + ruff_problems(project)


@cache
def problems_of(name: str, text: str) -> Sequence[str]:
    """What is wrong with one file. Most files are the same in many projects."""
    return (*text_problems(name, text), *syntax_problems(name, text))


def text_problems(name: str, text: str) -> Iterator[str]:
    """Leftovers of the rendering."""
    if not text.strip():
        if Path(name).name not in MAY_BE_EMPTY or text:
            yield "blank file"
        return
    if text.startswith("\n"):
        yield "starts with a blank line"
    if not text.endswith("\n") or text.endswith("\n\n"):
        yield "does not end with one newline"
    most = BLANK_LINES.get(Path(name).suffix, 1)
    patterns = {
        f"more than {most} blank lines": re.compile(r"\n[ \t]*" * (most + 2) + r"(?=\S)"),
        "trailing white space": re.compile(r"[ \t\r]+$", re.MULTILINE),
        "left-over delimiter": GO_DELIMITERS if GO_TEMPLATES.search(name) else DELIMITERS,
        "package registry": REGISTRIES,
    }
    for problem, pattern in patterns.items():
        for match in pattern.finditer(text):
            yield f"line {text.count(chr(10), 0, match.start()) + 1}: {problem}: {match[0]!r}"


def syntax_problems(name: str, text: str) -> Iterator[str]:
    """What the file's own parser says."""
    parsers: Mapping[str, Callable[[str], object]] = {
        ".toml": tomllib.loads,
        ".json": json.loads,
        ".py": ast.parse,
        ".yml": parse_yaml,
        ".yaml": parse_yaml,
    }
    parse = parsers.get(Path(name).suffix)
    if parse and not GO_TEMPLATES.search(name):
        try:
            parse(text)
        except (ValueError, SyntaxError, yaml.YAMLError) as error:
            yield f"does not parse: {error}"


def parse_yaml(text: str) -> None:
    """Raise `YAMLError` where it is no YAML; tags of its own (GitLab's `!reference`) are fine."""
    for _ in yaml.compose_all(text, Loader=yaml.SafeLoader):
        pass


def residue_problems(files: Tree, texts: Mapping[str, str], switches: Mapping[str, Value]) -> list[str]:
    """Where a switched-off feature is mentioned, in a path or a text."""
    found = []
    for name, entry in residue().items():
        for value, words in entry.items():
            if switches[name] != value:
                found += [
                    f"{path}: {name} is not {value}, yet the path says so" for path in files if words.search(path)
                ]
                found += [f"{path}: {name} is not {value}, yet it says {hit}" for path, hit in mentions(texts, words)]
    return found


def mentions(texts: Mapping[str, str], words: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """The lines that contain the words."""
    for path, text in texts.items():
        for number, line in lines_with(words, text):
            yield f"{path}:{number}", repr(line.strip())


@cache
def lines_with(words: re.Pattern[str], text: str) -> Sequence[tuple[int, str]]:
    """The lines that contain the words, with their numbers. Most texts are the same in many projects."""
    return [(number, line) for number, line in enumerate(text.splitlines(), 1) if words.search(line)]


def ruff_problems(project: Path) -> list[str]:
    """What ruff says, with the project's own configuration."""
    commands = [f"ruff {command} --no-cache --output-format concise ." for command in ("check", "format --check")]
    return [str(outcome) for outcome in (run(command, project) for command in commands) if not outcome.ok]


def plain_ruff_problems(project: Path) -> list[str]:
    """What ruff says without the project's configuration, but for the length of its lines."""
    settings = tomllib.loads((project / "pyproject.toml").read_text())["tool"]["ruff"]
    # Comments that silence a rule of the wide set look unused to the defaults.
    isolated = f"--isolated --config line-length={settings['line-length']} --config 'lint.ignore=[\"RUF100\"]'"
    commands = [
        f"ruff {command} --no-cache --output-format concise {isolated} ." for command in ("check", "format --check")
    ]
    return [str(outcome) for outcome in (run(command, project) for command in commands) if not outcome.ok]
