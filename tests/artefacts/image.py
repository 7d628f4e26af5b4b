"""The image, and the compose files that run it."""

from harness.artefacts import Artefact, commands

ARTEFACTS = [
    Artefact(
        name="Dockerfile",
        files=["Dockerfile", ".dockerignore"],
        check=commands("hadolint Dockerfile"),
        faults=[("Dockerfile", "CMD [", "CMD python ")],
    ),
    Artefact(
        name="compose",
        files=["compose*.yaml"],
        check=commands("sh -c 'check-jsonschema --builtin-schema vendor.compose-spec compose*.yaml'"),
        faults=[("compose.yaml", "services:", "service:")],
    ),
]
