"""Pipelines, and what keeps dependencies current."""

from harness.artefacts import Artefact, commands

ARTEFACTS = [
    Artefact(
        name="GitHub Actions",
        files=[".github/workflows/*.yml", ".github/dependabot.yml", "pyproject.toml"],
        check=commands(
            "sh -c 'actionlint .github/workflows/*.yml'",
            "zizmor --offline --quiet .",
            "sh -c 'check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml'",
            "check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml",
        ),
        faults=[(".github/workflows/ci.yml", "runs-on:", "run-on:")],
    ),
    Artefact(
        name="GitLab CI",
        files=[".gitlab-ci.yml", "renovate.json"],
        check=commands(
            "check-jsonschema --builtin-schema vendor.gitlab-ci .gitlab-ci.yml",
            "check-jsonschema --builtin-schema vendor.renovate renovate.json",
        ),
        faults=[(".gitlab-ci.yml", "script:", "scripts:")],
    ),
]
