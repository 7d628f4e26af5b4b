"""Pipelines, what they run, and what keeps dependencies current."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from harness.artefacts import Artefact, Check, commands

ZIZMOR = Path(__file__).with_name("zizmor.yml")
PINNED = re.compile(r"uses: (\$/\S+|[\w./-]+@[0-9a-f]{40} # v?\d+(\.\d+)*)$")
SCRIPT = re.compile(r"(?<![\w/.-])deploy/[\w/]+\.sh\b")
ENVIRONMENTS = ["staging", "production"]


def every(*checks: Check) -> Check:
    """What any of the checks finds."""

    def check(project: Path) -> list[str]:
        return [problem for check in checks for problem in check(project)]

    return check


def jobs(project: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each job of GitHub's, by file and key."""
    for path in sorted(project.glob(".github/workflows/*.yml")):
        for key, job in yaml.safe_load(path.read_text())["jobs"].items():
            yield f"{path.name}: {key}", job


def github_problems(project: Path) -> list[str]:
    """What no linter asks for."""
    found = list(unpinned(project))
    for name, job in jobs(project):
        if "permissions" not in job:
            found.append(f"{name} has the rights of the workflow")
        if "uses" not in job and "timeout-minutes" not in job:
            found.append(f"{name} may take hours")
        if "environment" in job:
            if not job.get("concurrency", {}).get("group", "").endswith("-${{ inputs.environment }}"):
                found.append(f"{name} may overlap with itself")
            if job.get("concurrency", {}).get("cancel-in-progress") is not False:
                found.append(f"{name} may be broken off")
    return found + missing_scripts(project, project.glob(".github/workflows/*.yml"))


def unpinned(project: Path) -> Iterator[str]:
    """Actions that are not named by a commit, with the version for people beside it."""
    for path in sorted(project.glob(".github/workflows/*.yml")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.match(r"\s*(- )?uses:", line) and not PINNED.search(line):
                yield f"{path.name}:{number}: {line.strip()}"


def missing_scripts(project: Path, files: Iterator[Path]) -> list[str]:
    """Scripts that a pipeline calls and the project has not, or not as programs."""
    called = {script for path in files for script in SCRIPT.findall(path.read_text())}
    return [f"{it} is no program of the project" for it in sorted(called) if not is_program(project / it)]


def is_program(path: Path) -> bool:
    """Whether it can be run."""
    return path.is_file() and bool(path.stat().st_mode & 0o111)


def gitlab_problems(project: Path) -> list[str]:
    """What GitLab's schema does not ask for: of each deployment, and of every image."""
    document = yaml.safe_load((project / ".gitlab-ci.yml").read_text())
    found = [
        f"{key}: {image} is any version"
        for key, job in document.items()
        if isinstance(job, dict) and (image := image_of(job)) and not re.search(r":[^:/]*\d", image)
    ]
    for key, job in document.items():
        environment = key.rpartition(" ")[2]
        if environment not in ENVIRONMENTS:
            continue
        if job.get("resource_group") != key.replace(" ", "-"):
            found.append(f"{key} may overlap with itself")
        if f".{environment}" not in job["extends"]:
            found.append(f"{key} is deployed elsewhere")
        if document[".rollout"].get("interruptible") is not False:
            found.append(f"{key} may be broken off")
    return found + missing_scripts(project, iter([project / ".gitlab-ci.yml"]))


def image_of(job: Mapping[str, Any]) -> str:
    """The image that a job runs in, if it names one."""
    image = job.get("image", "")
    return str(image["name"] if isinstance(image, dict) else image)


ARTEFACTS = [
    Artefact(
        name="GitHub Actions",
        files=[".github/workflows/*.yml", ".github/dependabot.yml", "pyproject.toml", "deploy/*.sh", "deploy/*/*.sh"],
        check=every(
            github_problems,
            commands(
                "sh -c 'actionlint -shellcheck shellcheck .github/workflows/*.yml'",
                f"zizmor --offline --quiet --persona pedantic --config {ZIZMOR} .",
                "sh -c 'check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml'",
                "check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml",
            ),
        ),
        faults=[
            (".github/workflows/ci.yml", "runs-on:", "run-on:"),
            (".github/workflows/ci.yml", "    timeout-minutes: 10\n", ""),
            (".github/workflows/ci.yml", "    permissions:\n      contents: read\n", ""),
            (".github/workflows/ci.yml", " # v7.0.1", ""),
            (".github/workflows/ci.yml", "@3d3c42e5aac5ba805825da76410c181273ba90b1 #", "@v7 #"),
            (".github/workflows/ci.yml", "        with:\n          persist-credentials: false\n", ""),
            (".github/workflows/ci.yml", '"$RUNNER_TEMP/requirements.txt"', "$RUNNER_TEMP/requirements.txt"),
            (".github/workflows/deploy.yml", "      packages: write # the image\n", "      packages: write\n"),
            (".github/workflows/deploy.yml", "needs: [checks, image]", "needs: [check, image]"),
            (".github/workflows/rollout.yml", "deploy/smoke.sh", "deploy/smokes.sh"),
            (".github/workflows/rollout.yml", "cancel-in-progress: false", "cancel-in-progress: true"),
            (".github/workflows/rollout.yml", "-${{ inputs.environment }}\n", "\n"),
        ],
    ),
    Artefact(
        name="GitLab CI",
        files=[".gitlab-ci.yml", "renovate.json", "deploy/*.sh", "deploy/*/*.sh"],
        check=every(
            gitlab_problems,
            commands(
                "check-jsonschema --builtin-schema vendor.gitlab-ci .gitlab-ci.yml",
                "check-jsonschema --builtin-schema vendor.renovate renovate.json",
            ),
        ),
        faults=[
            (".gitlab-ci.yml", "script:", "scripts:"),
            (".gitlab-ci.yml", "deploy/smoke.sh", "deploy/smokes.sh"),
            (".gitlab-ci.yml", "resource_group: vm-production", "resource_group: vm-staging"),
            (".gitlab-ci.yml", "interruptible: false", "interruptible: true"),
            (".gitlab-ci.yml", "anchore/grype:v0.118.0-debug", "anchore/grype:debug"),
        ],
    ),
    Artefact(
        name="scripts of deployments",
        files=["deploy/*.sh"],
        check=commands("sh -c 'shellcheck deploy/*.sh'"),
        faults=[("deploy/smoke.sh", '"$url$1"', "$url$1")],
    ),
    Artefact(
        name="Fly.io's scripts",
        files=["deploy/fly/*.sh"],
        check=commands("sh -c 'shellcheck deploy/fly/*.sh'"),
        faults=[("deploy/fly/rollback.sh", '--app "$app"', "--app $app")],
    ),
]
