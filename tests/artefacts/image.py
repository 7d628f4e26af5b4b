"""The image, and the compose files that run it."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.artefacts import Artefact, commands
from harness.commands import run
from harness.docker import compose_program

# By themselves; any other is laid over that of production.
WHOLE = ("compose.yaml", "compose.production.yaml", "compose.test.yaml")
ENVIRONMENT = {
    "IMAGE": "registry.example.com/service:1.0.0",
    "CERTIFICATES": "./certificates",
    "DOMAIN": "api.example.com",
}


def compose_problems(project: Path) -> list[str]:
    """What compose itself says of each file, and what is ours to ask."""
    found: list[str] = []
    for path in sorted(project.glob("compose*.yaml")):
        names = [path.name] if path.name in WHOLE else ["compose.production.yaml", path.name]
        files = [word for name in names for word in ("--file", name)]
        command = [str(compose_program()), *files, "--profile", "*", "config", "--format", "json"]
        outcome = run(command, project, ENVIRONMENT)
        if not outcome.ok or "warning" in outcome.output:
            found.append(str(outcome))
            continue
        services = json.loads(outcome.output)["services"]
        found += [f"{path.name}: {name}: {it}" for name, service in services.items() for it in wrong(service)]
        if path.name not in ("compose.yaml", "compose.test.yaml"):
            found += [f"{path.name}: {name}: {it}" for name, service in services.items() for it in soft(service)]
    return found


def wrong(service: Mapping[str, Any]) -> Iterator[str]:
    """What no file may have."""
    image = service.get("image", "")
    if not re.search(r":[^:/]*[\w.-]+$", image) or image.endswith(":latest"):
        yield f"the image {image} has no tag that says what it is"
    for name, value in (service.get("environment") or {}).items():
        if re.search("PASS(WORD)?$|SECRET|TOKEN|KEY$", name) or re.search(r"://[^/@]*:[^/@]+@", str(value)):
            yield f"{name} has a secret in it"


def soft(service: Mapping[str, Any]) -> Iterator[str]:
    """What production may not do without."""
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    if not limits.keys() >= {"cpus", "memory"}:
        yield "its resources are not limited"
    if service.get("cap_drop") != ["ALL"] or service.get("security_opt") != ["no-new-privileges:true"]:
        yield "it has rights that it does not need"
    if not service.get("logging", {}).get("options", {}).get("max-size"):
        yield "its log may fill the disk"
    if "build" in service:
        yield "it is built where it is to run"


def ports_problems(project: Path) -> list[str]:
    """A port on all addresses gets past the firewall of the machine; a proxy's are meant to."""
    found: list[str] = []
    for name in WHOLE:
        if (project / name).exists():
            command = [str(compose_program()), "--file", name, "--profile", "*", "config", "--format", "json"]
            outcome = run(command, project, ENVIRONMENT)
            services = json.loads(outcome.output)["services"] if outcome.ok else {}
            ports = [port for service in services.values() for port in service.get("ports", [])]
            found += [f"{name}: {port} is open to everybody" for port in ports if port.get("host_ip") != "127.0.0.1"]
    return found


def schema_problems(project: Path) -> list[str]:
    """What the schema of compose files says, which knows no tags of files that are laid over others."""
    names = " ".join(name for name in WHOLE if (project / name).exists())
    return commands(f"check-jsonschema --builtin-schema vendor.compose-spec {names}")(project)


ARTEFACTS = [
    Artefact(
        name="Dockerfile",
        files=["Dockerfile", ".dockerignore"],
        check=commands("hadolint Dockerfile"),
        faults=[
            ("Dockerfile", "CMD [", "CMD python "),
            ("Dockerfile", "-slim AS base", "AS base"),
            ("Dockerfile", "--from=build ", "--from=built "),
        ],
    ),
    Artefact(
        name="compose",
        files=["compose*.yaml"],
        check=lambda project: [*schema_problems(project), *compose_problems(project), *ports_problems(project)],
        faults=[
            ("compose.yaml", "services:", "service:"),
            ("compose.yaml", "127.0.0.1:${PORT", "${PORT"),
            ("compose.yaml", ":development", ":latest"),
            ("compose.production.yaml", "stop_grace_period", "stop_grace_time"),
            ("compose.production.yaml", "- source: settings", "- source: setting"),
            ("compose.production.yaml", "    - ALL", "    - NET_RAW"),
            ("compose.production.yaml", "max-size: 10m", "mode: blocking"),
            ("compose.production.yaml", "memory: ${APP_MEMORY:-512M}", "pids: 10"),
            ("compose.production.yaml", 'PORT: "8000"', 'PORT: "8000"\n      DOCS_PASSWORD: abc'),
            ("compose.test.yaml", "target: test", "target: [test]"),
        ],
    ),
]
