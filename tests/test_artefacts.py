"""What CI, Docker and editors will read is checked by their own linters."""

from pathlib import Path

import pytest

from harness.commands import run
from harness.projects import Renderer
from harness.questionnaire import Value
from harness.rows import switches_of

pytestmark = pytest.mark.render

# What makes a difference inside these files, beside the switches that are files themselves.
FILES: dict[str, Value] = {"precommit": True, "devcontainer": True}
DATA: dict[str, dict[str, Value]] = {
    "core": {**switches_of({"preset": "minimal"}), **FILES},
    "database": {**switches_of({"preset": "minimal", "database": True}), **FILES},
    "everything": switches_of({"preset": "everything"}),
}
COMMANDS = {
    "Dockerfile": ["hadolint Dockerfile"],
    "compose.yaml": ["check-jsonschema --builtin-schema vendor.compose-spec compose.yaml"],
    ".github/workflows/ci.yml": [
        "actionlint .github/workflows/ci.yml",
        "zizmor --offline --quiet .",
        "check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/ci.yml",
        "check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml",
    ],
    ".github/workflows/upkeep.yml": [
        "actionlint .github/workflows/upkeep.yml",
        "check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/upkeep.yml",
    ],
    ".gitlab-ci.yml": [
        "check-jsonschema --builtin-schema vendor.gitlab-ci .gitlab-ci.yml",
        "check-jsonschema --builtin-schema vendor.renovate renovate.json",
    ],
}


@pytest.mark.parametrize("ci", ["github", "gitlab"])
@pytest.mark.parametrize("docker", [True, False])
@pytest.mark.parametrize("data", DATA)
def test_linters_find_nothing(data: str, docker: bool, ci: str, render: Renderer) -> None:  # noqa: FBT001
    # Monitoring is in the compose file.
    monitoring = docker and DATA[data]["monitoring"]
    switches = {**DATA[data], "docker": docker, "monitoring": monitoring, "ci": ci}
    project = render(preset="custom", **switches)
    commands = [command for file, found in COMMANDS.items() if (project / file).exists() for command in found]
    assert commands
    failed = [outcome for outcome in (run(command, project) for command in commands) if not outcome.ok]
    assert not failed, "\n".join(map(str, failed))


def test_linters_find_faults(render: Renderer, tmp_path: Path) -> None:
    """A linter that is not installed, or looks at nothing, would find nothing above."""
    everything = render(preset="everything")
    faults = {
        "Dockerfile": ("CMD [", "CMD python "),
        "compose.yaml": ("services:", "service:"),
        ".github/workflows/ci.yml": ("runs-on:", "run-on:"),
    }
    for name, (right, wrong) in faults.items():
        text = (everything / name).read_text()
        assert right in text
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace(right, wrong))
        command = next(command for command in COMMANDS[name])
        assert not run(command, tmp_path).ok, command
