"""What Heroku reads: processes, add-ons and variables, the version of Python."""

import json
import re
from pathlib import Path

from honcho.environ import parse_procfile  # type: ignore[import-untyped]

from harness import ROOT
from harness.artefacts import Artefact, commands
from harness.platforms import PROJECT_FILES, Platform

# What add-ons set.
ADDONS = {
    "heroku-postgresql": "DATABASE_URL",
    "heroku-redis": "REDIS_URL",
    "cloudamqp": "CLOUDAMQP_URL",
}


def processes_of(project: Path) -> dict[str, str]:
    """The commands by their types."""
    return dict(parse_procfile((project / "Procfile").read_text()).processes)


def platform(project: Path) -> Platform:
    """The project on Heroku."""
    app = json.loads((project / "app.json").read_text())
    provided = {ADDONS[addon["plan"].split(":")[0]] for addon in app.get("addons", [])}
    # Run before each command.
    profile = project / ".profile"
    text = profile.read_text() if profile.exists() else ""
    for name, source in re.findall(r'^export (\w+)="\$\{\1:-\$(\w+)\}"$', text, re.MULTILINE):
        if source in provided:
            provided.add(name)
    return Platform(
        processes={name: command.removeprefix("exec ") for name, command in processes_of(project).items()},
        # Those without a value are asked for.
        variables={name: entry.get("value") for name, entry in app["env"].items()},
        provided=frozenset(provided),
    )


def check(project: Path) -> list[str]:
    """What Heroku's own tools, which are not to be had here, would say, and more."""
    found = list(platform(project).problems(project))
    app = json.loads((project / "app.json").read_text())
    types = processes_of(project).keys()
    # SIGTERM goes to each process, and a shell would end before the others.
    found += [
        f"{name}: a shell stays"
        for name, command in processes_of(project).items()
        if name != "release" and not command.startswith("exec ")
    ]
    if {*app["formation"], "release"} != {*types, "release"}:
        found.append(f"formation {sorted(app['formation'])} is not {sorted(types)}")
    lines = (project / ".python-version").read_text().splitlines()
    if len(lines) != 1 or not re.fullmatch(r"3\.\d+", lines[0]):
        found.append(f".python-version: {lines}")
    return found + commands(
        "honcho check",
        f"check-jsonschema --schemafile {ROOT}/tests/schemas/heroku.app.json app.json",
    )(project)


ARTEFACTS = [
    Artefact(
        name="Heroku",
        files=["app.json", "Procfile", ".profile", ".python-version", *PROJECT_FILES],
        check=check,
        faults=[
            ("Procfile", "web:", "web"),
            ("Procfile", "exec celery", "celery"),
            ("Procfile", "alembic upgrade head", "alembic upgrade heads"),
            ("app.json", '"generator"', '"generate"'),
            ("app.json", '"generator": "secret"', '"value": "0123456789abcdef0123456789abcdef"'),
            ("app.json", '"10.0.0.0/8"', '"*"'),
            ("app.json", "DATABASE_POOL_SIZE", "DATABASE_POOLSIZE"),
            ("app.json", '"SECRET_KEY"', '"SECRET_PREVIOUS_KEYS"'),
            ("app.json", '"heroku-postgresql:essential-2"', '"heroku-redis:mini"'),
            ("app.json", '"web": {', '"webb": {'),
            (".python-version", "3.", "python-3."),
        ],
    ),
]
