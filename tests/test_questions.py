"""What is asked, what is refused and with which words."""

import keyword
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from copier import run_copy
from copier.errors import CopierError
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

import questions_page
from harness import ANSWERS_FILE
from harness.projects import OPTIONS, VERSION, Renderer, read_tree
from harness.questionnaire import Refusal, Value
from harness.rows import committed, questionnaire, switches_of

MOST_PROMPTS = 6
NAME = "Type a name of at most 60 letters, digits, spaces and . , & + ( ) - that starts with a letter or digit"
DESCRIPTION = "Type one line of at most 80 characters, without double quotes, backslashes or braces."
AUTHOR = "Type a name of at most 80 characters, without double quotes, backslashes, braces or angle brackets"
SLUG = "Type lower-case letters, digits and single dashes, starting with a letter, at most 50"
TAKEN = "A package the service installs has this name. Type another one, for example: fastapi-service"

INVALID_TEXTS = [
    *(
        ("project_name", text, NAME)
        for text in ("", " ", "-x", "_x", 'a"b', "a\\b", "a\nb", "a{b", "{{ 7 }}", "x ", "x\n", "x" * 61)
    ),
    *(
        ("project_description", text, DESCRIPTION)
        for text in ("", " ", 'a"b', "a\\b", "a\nb", "{{ x }}", "a}", "a\n", "a" * 81)
    ),
    *(
        ("author", text, AUTHOR)
        for text in ("", " ", 'a"b', "a\\b", "a\nb", "a{", "A <a@example.com>", "a\n", "a" * 81)
    ),
    *(
        ("project_slug", text, SLUG)
        for text in ("", "a_b", "Ab", "a--b", "-a", "a-", "1a", "é", "a" * 51, "a\n", "a b")
    ),
    ("project_slug", "fastapi", TAKEN),
]
INVALID_CHOICES = [
    (
        "license",
        "GPL-3.0-only",
        "'GPL-3.0-only' is not in ['MIT', 'Apache-2.0', 'BSD-3-Clause', 'proprietary']",
    ),
    ("preset", "huge", "'huge' is not in ['minimal', 'api', 'saas', 'everything', 'custom']"),
    ("python_version", "3.10", "'3.10' is not in ['3.11', '3.12', '3.13', '3.14']"),
    ("broker", "kafka", "'kafka' is not in ['redis', 'rabbitmq']"),
    ("cloud", "azure", "'azure' is not in ['cloud_run', 'fly', 'render', 'none']"),
    ("ci", "jenkins", "'jenkins' is not in ['github', 'gitlab', 'none']"),
    ("deployment", "ftp", "'ftp' is not in "),
]


def refused_by(template: Path, target: Path, **answers: Any) -> str:
    """What Copier says when it refuses these answers; nothing may have been written then."""
    with pytest.raises((ValueError, CopierError)) as caught:
        run_copy(str(template), target, data=answers, vcs_ref=VERSION, **OPTIONS)
    assert not target.exists() or not list(target.iterdir())
    return str(caught.value)


class TestRefusals:
    @pytest.mark.parametrize(("name", "text", "message"), INVALID_TEXTS)
    def test_invalid_text(self, name: str, text: str, message: str) -> None:
        with pytest.raises(ValueError, match=re.escape(f"Validation error for question '{name}': {message}")):
            questionnaire().answer(**{name: text})

    @pytest.mark.parametrize(("name", "value", "message"), INVALID_CHOICES)
    def test_invalid_choice(self, name: str, value: str, message: str) -> None:
        with pytest.raises(ValueError, match=re.escape(f"Invalid choice for '{name}': {message}")):
            questionnaire().answer(**{name: value})

    @pytest.mark.parametrize("refusal", questionnaire().refusals, ids=lambda refusal: str(dict(refusal.values)))
    def test_contradiction_says_what_to_add(self, refusal: Refusal, snapshot: Path, tmp_path: Path) -> None:
        said = refused_by(snapshot, tmp_path / "project", preset="custom", **refusal.values)
        assert refusal.message in said
        # Whoever does what it says is not refused again.
        advised = {name: value == "true" for name, value in re.findall(r"-d (\w+)=(true|false)", refusal.message)}
        assert advised.keys() & refusal.values.keys()
        assert questionnaire().answer(preset="custom", **{**refusal.values, **advised})

    def test_command_line_prints_the_message(self, snapshot: Path, tmp_path: Path) -> None:
        command = [
            sys.executable,
            "-m",
            "copier",
            "copy",
            "--defaults",
            "-r",
            VERSION,
            "-d",
            "auth=true",
            "-d",
        ]
        command += ["database=false", str(snapshot), str(tmp_path / "project")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "auth stores its users in the database: switch it on as well with -d database=true" in done.stderr

    def test_every_text_question_has_a_refusal_here(self) -> None:
        texts = {name for name, q in questionnaire().questions.items() if q["type"] == "str"}
        free = texts - set(questionnaire().closed) - set(questionnaire().hidden)
        assert free == {name for name, _, _ in INVALID_TEXTS}
        choices = {name for name in questionnaire().closed if questionnaire().questions[name]["type"] == "str"}
        assert choices == {name for name, _, _ in INVALID_CHOICES}


class TestAccepted:
    @pytest.mark.parametrize(
        ("name", "slug"),
        [
            ("My Service", "my-service"),
            ("Müller & Søn", "m-ller-s-n"),
            ("3 Ships", "ships"),
            ("FastAPI", "fastapi-service"),
            ("Ж", "service"),
            ("x" * 60, "x" * 50),
        ],
    )
    def test_name_gives_a_valid_slug(self, name: str, slug: str | None) -> None:
        answered = questionnaire().answer(project_name=name)["project_slug"]
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", answered)
        assert len(answered) <= 50
        assert answered == slug or slug is None


class TestPrompts:
    """Answered through Copier's real questionnaire, one press of Enter for each prompt."""

    @staticmethod
    def press(template: Path, target: Path, keys: str) -> None:
        with (
            create_pipe_input() as keyboard,
            create_app_session(input=keyboard, output=DummyOutput()),
        ):
            keyboard.send_text(keys)
            keyboard.close()
            run_copy(str(template), target, vcs_ref=VERSION, **{**OPTIONS, "defaults": False})

    def test_default_path(self, snapshot: Path, render: Renderer, tmp_path: Path) -> None:
        prompts = len(questionnaire().prompts())
        assert prompts <= MOST_PROMPTS
        self.press(snapshot, tmp_path / "enough", "\r" * prompts)
        assert read_tree(tmp_path / "enough") == read_tree(render())

    def test_one_press_less_is_not_enough(self, snapshot: Path, tmp_path: Path) -> None:
        with pytest.raises((CopierError, EOFError, KeyboardInterrupt)):
            self.press(snapshot, tmp_path / "project", "\r" * (len(questionnaire().prompts()) - 1))

    def test_custom_asks_for_every_switch(self) -> None:
        """Once what it needs is on."""
        everything = switches_of({"preset": "everything"})
        before: dict[str, Value] = {}
        for name, value in everything.items():
            asked = name in questionnaire().prompts(preset="custom", **before)
            # A yes that would be refused is not offered.
            refused = any(r.values.items() <= {**before, name: True}.items() for r in questionnaire().refusals)
            assert asked is not refused
            before[name] = value

    def test_other_presets_ask_for_none(self) -> None:
        for preset in questionnaire().choices("preset"):
            if preset != "custom":
                assert not set(questionnaire().prompts(preset=preset)) & set(questionnaire().switches)


class TestNames:
    def test_switches_are_lower_case_words(self) -> None:
        for name in questionnaire().questions:
            assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
            assert not keyword.iskeyword(name)
            assert not keyword.issoftkeyword(name)

    def test_every_asked_question_has_help_and_a_default(self) -> None:
        for name, question in questionnaire().questions.items():
            assert "default" in question, name
            assert question["help"].strip(), name


class TestTrust:
    """Nothing that makes Copier ask for trust."""

    @pytest.mark.parametrize("setting", ["tasks", "jinja_extensions", "external_data"])
    def test_setting_is_absent(self, setting: str) -> None:
        assert not questionnaire().config.get(setting)

    def test_no_question_is_secret(self) -> None:
        """A secret is not kept, so the next update would render its default."""
        assert not any(question.get("secret") for question in questionnaire().questions.values())


class TestPresets:
    """Plain copies, served by pytest-copie."""

    @pytest.mark.parametrize("preset", ["minimal", "api", "saas", "everything"])
    def test_preset(self, preset: str, copie: Any, snapshot: Path, render: Renderer) -> None:
        result = copie.copy({"preset": preset}, template_dir=snapshot, vcs_ref=VERSION)
        assert result.exit_code == 0, result.exception
        expected = next(row["switches"] for row in committed()["rows"] if row["preset"] == preset)
        assert {name: result.answers[name] for name in expected} == expected
        assert without_answers(result.project_dir) == without_answers(render(preset=preset))


def without_answers(project: Path) -> dict[str, bytes]:
    return {name: data for name, data in read_tree(project).items() if name != ANSWERS_FILE}


def test_questions_page_is_current() -> None:
    assert questions_page.PAGE.read_text() == questions_page.render(), "run `make docs-questions` and commit the result"
