"""What DigitalOcean's App Platform reads."""

from pathlib import Path

import yaml

from harness import ROOT
from harness.artefacts import Artefact, commands
from harness.platforms import PROJECT_FILES, Platform, floating

# What a reference to a database means is in the specification's documentation; any other one is empty.
REFERENCES = {"${db.DATABASE_URL}": "db", "${valkey.DATABASE_URL}": "valkey"}


def platform(project: Path) -> Platform:
    """The project on App Platform."""
    app = yaml.safe_load((project / ".do/app.yaml").read_text())
    components = [*app["services"], *app.get("workers", [])]
    jobs = {"migrate PRE_DEPLOY": "release"}
    before = {jobs.get(f"{it['name']} {it['kind']}", it["name"]): it["run_command"] for it in app.get("jobs", [])}
    return Platform(
        processes={**before, **{component["name"]: component["run_command"] for component in components}},
        variables={
            entry["key"]: None if entry.get("type") == "SECRET" or entry["value"] in REFERENCES else entry["value"]
            for entry in app["envs"]
        },
    )


def check(project: Path) -> list[str]:
    """By a schema of our own, and what belongs together."""
    text = (project / ".do/app.yaml").read_text()
    app = yaml.safe_load(text)
    wrong = commands(f"check-jsonschema --schemafile {ROOT}/tests/schemas/digitalocean.app.json .do/app.yaml")(project)
    if wrong:
        return wrong
    found = [*platform(project).problems(project), *floating({".do/app.yaml": text})]
    databases = {database["name"] for database in app.get("databases", [])}
    for entry in app["envs"]:
        value = entry.get("value", "")
        if value.startswith("$") and REFERENCES.get(value) not in databases:
            found.append(f"{entry['key']}: {value} refers to nothing")
        if ("value" in entry) == (entry.get("type") == "SECRET"):
            found.append(f"{entry['key']}: either a value or a secret")
    if {rule["component"]["name"] for rule in app["ingress"]["rules"]} != {"web"}:
        found.append("requests go elsewhere than to web")
    return found


ARTEFACTS = [
    Artefact(
        name="App Platform",
        files=[".do/app.yaml", *PROJECT_FILES],
        check=check,
        faults=[
            (".do/app.yaml", "kind: PRE_DEPLOY", "kind: POST_DEPLOY"),
            (".do/app.yaml", "instance_size_slug: apps-s-1vcpu-1gb", "instance_size_slug: professional-xs"),
            (".do/app.yaml", "http_path: /health/ready", "path: /health/ready"),
            (".do/app.yaml", "name: db\n", "name: database\n"),
            (".do/app.yaml", "key: SECRET_KEY", "key: SECRET_KEYS"),
            (".do/app.yaml", "${db.DATABASE_URL}", "postgresql://app:secret@host/app"),
            (".do/app.yaml", "    type: SECRET", "    value: swordfish"),
            (".do/app.yaml", "python -m app.cli serve", "uvicorn app.main:app"),
        ],
    ),
]
