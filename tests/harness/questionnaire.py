"""The questions as Copier itself reads, defaults and refuses them, without rendering a project.

Copier has no public way to ask its questions alone, so this module is the one place that uses its private names.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from typing import Any

from copier._main import Worker
from copier._settings import SettingsModel
from copier._user_data import AnswersMap, Question
from jinja2 import meta

from harness import ROOT

# Choices that start from a set of defaults and do nothing else, and choices whose values do not interact with
# any switch: they take part in the rows (see `covering.riders`), but not in the combinations.
STARTING_POINTS = frozenset({"preset", "deployment"})
RIDING_ALONG = frozenset({"license", "python_version"})
# Switches that bring files for others to read and change nothing in the service, its tests or what it installs:
# `test_suite.py` holds them to it.
BESIDE_THE_SERVICE = frozenset(
    {
        "aws_ecs",
        "caddy",
        "ci",
        "cloud",
        "devcontainer",
        "digitalocean",
        "docker",
        "heroku",
        "kubernetes",
        "nginx",
        "precommit",
        "vm",
    }
)

Value = bool | str
Answers = Mapping[str, Any]


@dataclass(frozen=True)
class Refusal:
    """Switch values that a validator does not allow together, and what it says about them."""

    values: Mapping[str, Value]
    message: str


def _decisive_part(row: Mapping[str, Value], verdicts: Sequence[tuple[Mapping[str, Value], str]]) -> dict[str, Value]:
    """As few values of a refused row as are refused with any others."""
    part = dict(row)
    for name in row:
        fewer = {other: value for other, value in part.items() if other != name}
        if all(message for other, message in verdicts if fewer.items() <= other.items()):
            part = fewer
    return part


class Questionnaire:
    """The questions of the template in `root`."""

    def __init__(self, root: Path = ROOT) -> None:
        # Copier would clone a repository; what is asked here is what stands in the folder now.
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder)
            shutil.copy(root / "copier.yml", source)
            shutil.copytree(root / "questions", source / "questions")
            self._worker = Worker(
                src_path=str(source), dst_path=source / "none", settings=SettingsModel(), defaults=True, quiet=True
            )
            # Read now, kept by the worker; after this it needs the folder no more.
            self.config = self._worker.template.config_data
            self.questions = self._worker.template.questions_data
            self.jinja = self._worker.jinja_env
        # Copier compiles each text of each question again for every answer.
        self.jinja.from_string = cache(self.jinja.from_string)  # type: ignore[method-assign,assignment]

    def answer(self, **given: Any) -> dict[str, Any]:
        """All answers of `copier copy --defaults` with `given` as `--data`, hidden ones included.

        Raises `ValueError` with Copier's message where it refuses an answer. Unknown names raise `KeyError`, because
        Copier ignores them silently.
        """
        if unknown := given.keys() - self.questions.keys():
            raise KeyError(f"no such question: {', '.join(sorted(unknown))}")
        self._worker.data = given
        self._worker._ask()  # noqa: SLF001
        combined = self._worker.answers.combined
        return {name: combined[name] for name in self.questions}

    def prompts(self, **given: Any) -> list[str]:
        """The questions that a person meets who accepts every default after `given`."""
        answers = self.answer(**given)
        asked = []
        for name in self.questions:
            question = self._question(name, answers)
            if name not in given and question.get_when() and question.get_ask():
                asked.append(name)
        return asked

    def _question(self, name: str, context: Answers) -> Question:
        return Question(
            var_name=name,
            answers=AnswersMap(),
            context=context,
            jinja_env=self.jinja,
            **self.questions[name],
        )

    def choices(self, name: str) -> tuple[Value, ...]:
        """The values that a closed question can take."""
        if self.questions[name]["type"] == "bool":
            return (False, True)
        return tuple(str(choice.value) for choice in self._question(name, {})._formatted_choices)  # noqa: SLF001

    @cached_property
    def hidden(self) -> Sequence[str]:
        """Derived answers."""
        return [name for name, question in self.questions.items() if question.get("when") is False]

    @cached_property
    def derived_switches(self) -> Sequence[str]:
        """What is on or off because other switches are."""
        return [name for name in self.hidden if self.questions[name]["type"] == "bool"]

    def derived(self, switches: Mapping[str, Value]) -> dict[str, Value]:
        """What follows from these switches, whether or not they are allowed together."""
        context = dict(switches)
        for name in self.derived_switches:
            if self._variables(self.questions[name]["default"]) <= context.keys():
                context[name] = self._question(name, context).get_default()
        return {name: context[name] for name in self.derived_switches if name in context}

    @cached_property
    def closed(self) -> Sequence[str]:
        """Questions with a fixed set of answers."""
        return [
            name
            for name, question in self.questions.items()
            if name not in self.hidden and (question["type"] == "bool" or "choices" in question)
        ]

    @cached_property
    def switches(self) -> Mapping[str, tuple[Value, ...]]:
        """Every switch with its values: all closed questions but the few named above."""
        return {name: self.choices(name) for name in self.closed if name not in STARTING_POINTS | RIDING_ALONG}

    @cached_property
    def decisive(self) -> Mapping[str, Sequence[str]]:
        """For each switch that has a validator: the switches on which its verdict depends, in the order of asking."""
        behind = {
            name: self._switches_behind(self.questions[name]["validator"]) | {name}
            for name in self.switches
            if self.questions[name].get("validator")
        }
        return {name: [switch for switch in self.switches if switch in found] for name, found in behind.items()}

    @cached_property
    def refusals(self) -> Sequence[Refusal]:
        """The combinations of switch values that the validators do not allow."""
        return list(self._find_refusals())

    def _find_refusals(self) -> Iterator[Refusal]:
        for name, names in self.decisive.items():
            rows = [
                dict(zip(names, values, strict=True))
                for values in product(*(self.switches[switch] for switch in names))
            ]
            verdicts = [(row, self.refusal(name, row)) for row in rows]
            found: list[Refusal] = []
            for row, message in verdicts:
                if message and not any(known.values.items() <= row.items() for known in found):
                    found.append(Refusal(_decisive_part(row, verdicts), message))
            yield from found

    def refusal(self, name: str, answers: Answers) -> str:
        """What the validator of `name` says to these answers; empty where it accepts them."""
        context = dict(answers)
        for hidden in self.hidden:
            if self._variables(self.questions[hidden]["default"]) <= context.keys():
                context[hidden] = self._question(hidden, context).get_default()
        try:
            self._question(name, context).validate_answer(context[name])
        except ValueError as error:
            return str(error).split(": ", 1)[1]
        return ""

    def _variables(self, source: Any) -> set[str]:
        return meta.find_undeclared_variables(self.jinja.parse(source)) if isinstance(source, str) else set()

    def _switches_behind(self, source: Any) -> set[str]:
        found: set[str] = set()
        for variable in self._variables(source):
            if variable in self.switches:
                found.add(variable)
            elif variable in self.hidden:
                found |= self._switches_behind(self.questions[variable]["default"])
        return found
