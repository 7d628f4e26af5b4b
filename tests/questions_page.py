"""Write docs/questions.md from the questions themselves. Run it with `make docs-questions`."""

from collections.abc import Iterator
from typing import Any

from jinja2 import nodes

from harness import ROOT
from harness.questionnaire import STARTING_POINTS
from harness.rows import questionnaire, switches_of

PAGE = ROOT / "docs" / "questions.md"
HEAD = """\
# Questions

This page is written from `questions/` by `make docs-questions`; edit the questions, not the page.

`copier copy` asks what is marked so; the feature switches are asked only for the preset `custom`.
Every question has a default, and every answer can be given with `-d NAME=VALUE`, when the project
is made and later:

```bash
uvx copier update -r :current: --defaults -d NAME=VALUE
```
"""


def render() -> str:
    """The whole page."""
    visible = [name for name in questionnaire().questions if name not in questionnaire().hidden]
    switches = [name for name in visible if name in questionnaire().switches]
    asked = [name for name in visible if name not in switches]
    sections = [
        HEAD,
        "## Presets\n\n" + "\n".join(preset_table()) + "\n",
        "## About the project\n\n" + "\n".join(entry for name in asked for entry in describe(name)),
        "## Switches\n\n" + "\n".join(entry for name in switches for entry in describe(name)),
    ]
    return "\n".join(sections)


def preset_table() -> Iterator[str]:
    """Which preset switches what on; the rows are the switches."""
    presets = [str(preset) for preset in questionnaire().choices("preset") if preset != "custom"]
    values = {preset: switches_of({"preset": preset}) for preset in presets}
    yield f"| Switch | {' | '.join(presets)} |"
    yield f"| --- |{' --- |' * len(presets)}"
    for name in questionnaire().switches:
        yield f"| `{name}` | {' | '.join(shown(values[preset][name]) for preset in presets)} |"


def shown(value: Any) -> str:
    """An answer as it is typed."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def describe(name: str) -> Iterator[str]:
    """One question."""
    question = questionnaire().questions[name]
    yield f"### `{name}`\n"
    yield f"{question['help'].strip()}\n"
    if name in questionnaire().closed:
        values = [str(value).lower() if isinstance(value, bool) else value for value in questionnaire().choices(name)]
        yield f"- Values: {', '.join(f'`{value}`' for value in values)}"
    yield f"- Default: {default(name)}"
    yield f"- Asked: {'always' if name in questionnaire().prompts() else 'for the preset `custom`'}"
    for refusal in questionnaire().refusals:
        if list(refusal.values)[-1] == name:
            *others, _ = refusal.values.items()
            relation = "Needs" if all(value is False for _, value in others) else "Not with"
            yield f"- {relation}: {', '.join(f'`{other}`' for other, _ in others)}"
    if message := advice(name):
        yield f"- Refused otherwise: {message}"
    if name in STARTING_POINTS:
        yield "- Sets only the defaults of what is asked after it; changing it later changes nothing."
    yield ""


def default(name: str) -> str:
    """The default as it comes out of the other defaults."""
    if name in questionnaire().switches:
        return "by preset"
    value = questionnaire().answer()[name]
    return f"`{shown(value)}`"


def advice(name: str) -> str:
    """The first text in the validator of an open question: what to type."""
    source = questionnaire().questions[name].get("validator")
    if not source or name in questionnaire().closed:
        return ""
    texts = questionnaire().jinja.parse(source).find_all(nodes.Const)
    return next(str(text.value) for text in texts if str(text.value).startswith("Type "))


if __name__ == "__main__":
    PAGE.write_text(render())
    print(f"wrote {PAGE.relative_to(ROOT)}")
