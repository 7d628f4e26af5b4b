"""What Google Cloud Run, Fly.io and Render read."""

import json
import re
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from harness import ROOT
from harness.artefacts import Artefact, commands
from harness.commands import run
from harness.platforms import PROJECT_FILES, Platform, fake_gcloud, floating, joined

# Of cloud.google.com/run/docs/reference/yaml/v1, those that may stand in these places.
ANNOTATIONS = {
    "run.googleapis.com/ingress",
    "run.googleapis.com/invoker-iam-disabled",
    "run.googleapis.com/manualInstanceCount",
    "run.googleapis.com/scalingMode",
}
TEMPLATE_ANNOTATIONS = {
    "autoscaling.knative.dev/maxScale",
    "autoscaling.knative.dev/minScale",
    "run.googleapis.com/cloudsql-instances",
    "run.googleapis.com/cpu-throttling",
    "run.googleapis.com/network-interfaces",
    "run.googleapis.com/startup-cpu-boost",
    "run.googleapis.com/vpc-access-egress",
}
OF_SERVERS = {"FORWARDED_ALLOW_IPS", "SERVE_DRAIN_SECONDS", "SERVE_STOP_SECONDS"}
# By the API; worker pools and jobs have the same limit.
LONGEST_NAME = 49


@cache
def cloud_run_schema(kind: str) -> dict[str, Any]:
    """Google's own description of the API, as a JSON schema that refuses what it does not name."""
    folder = files("googleapiclient").joinpath("discovery_cache/documents/run.v1.json")
    schemas = json.loads(folder.read_text())["schemas"]

    def strict(node: Any) -> Any:
        if isinstance(node, list):
            return [strict(item) for item in node]
        if not isinstance(node, dict):
            return node
        if node.get("type") == "any":
            return {}
        if "$ref" in node:
            return {"$ref": f"#/definitions/{node['$ref']}"}
        made = {key: strict(value) for key, value in node.items() if key not in {"description", "format", "id"}}
        return {**made, "additionalProperties": False} if "properties" in node else made

    # Names of properties look like keywords; they are converted one by one.
    definitions = {
        name: {
            "type": "object",
            "additionalProperties": False,
            "properties": {key: strict(value) for key, value in schema.get("properties", {}).items()},
        }
        for name, schema in schemas.items()
    }
    return {"$schema": "http://json-schema.org/draft-07/schema#", "$ref": f"#/definitions/{kind}"} | {
        "definitions": definitions
    }


def applied(project: Path, folder: Path) -> dict[str, Any]:
    """What deploy.sh gives to gcloud, by the names of the files."""
    outcome = run(
        ["deploy/cloud_run/deploy.sh", "production", "europe-docker.pkg.dev/a-project/images/app:1.2.3"],
        project,
        fake_gcloud(folder),
    )
    assert outcome.ok, outcome
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted(folder.glob("*.yaml"))}


def container(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """The only one of a service, a job or a worker pool."""
    spec = resource["spec"]["template"]["spec"]
    (only,) = (spec["template"]["spec"] if resource["kind"] == "Job" else spec)["containers"]
    return dict(only)


def environment_of(resource: Mapping[str, Any]) -> dict[str, str | None]:
    """Its variables; those that are references have no value."""
    return {entry["name"]: entry.get("value") for entry in container(resource)["env"]}


def cloud_run(resources: Mapping[str, Any]) -> Platform:
    """The project on Cloud Run."""
    names = {"job": "release", "service": "web"}
    return Platform(
        processes={
            names.get(name, name.removeprefix("worker_pool-")): joined(container(it)["command"])
            for name, it in resources.items()
        },
        variables=environment_of(resources["service"]),
    )


def cloud_run_problems(project: Path, folder: Path) -> Iterator[str]:
    """What Google would say, and what belongs together."""
    resources = applied(project, folder)
    for name, resource in resources.items():
        validator = Draft7Validator(cloud_run_schema(resource["kind"]))
        yield from (f"{name}: {error.json_path}: {error.message}" for error in validator.iter_errors(resource))
    yield from cloud_run(resources).problems(project)
    shared = {name: value for name, value in environment_of(resources["service"]).items() if name not in OF_SERVERS}
    for name, resource in resources.items():
        template = resource["spec"]["template"]["metadata"]["annotations"]
        if unknown := ({*resource["metadata"].get("annotations", {})} - ANNOTATIONS) | (
            {*template} - TEMPLATE_ANNOTATIONS
        ):
            yield f"{name}: {sorted(unknown)}"
        if len(resource["metadata"]["name"]) > LONGEST_NAME:
            yield f"{name}: {resource['metadata']['name']} is too long"
        if name != "service" and environment_of(resource) != shared:
            yield f"{name}: other variables than those of the service"
        yield from (
            [f"{name}: ${{...}} is left"] if re.search(r"\$\{\w", (folder / f"{name}.yaml").read_text()) else []
        )


def check_cloud_run(project: Path) -> list[str]:
    """By the files that deploy.sh makes."""
    scripts = commands("sh -c 'shellcheck deploy/cloud_run/*.sh'")(project)
    texts = {path.name: path.read_text() for path in sorted((project / "deploy/cloud_run").iterdir())}
    with tempfile.TemporaryDirectory() as folder:
        return [*scripts, *floating(texts), *(scripts or cloud_run_problems(project, Path(folder)))]


def fly(project: Path) -> Platform:
    """The project on Fly.io, where secrets are not in the file."""
    app = tomllib.loads((project / "fly.toml").read_text())
    release = {"release": app["deploy"]["release_command"]} if "release_command" in app["deploy"] else {}
    page = (project / "docs/deploy/fly.md").read_text()
    return Platform(
        processes={**release, **app["processes"]},
        variables={**dict.fromkeys(secrets_in(page)), **app["env"]},
        provided=frozenset(["DATABASE_URL"] if "fly mpg attach" in page else []),
    )


def secrets_in(page: str) -> list[str]:
    """The variables that `fly secrets` of the page sets."""
    lines = [line for line in page.splitlines() if line.startswith("fly secrets set ")]
    return [word.partition("=")[0] for line in lines for word in line.split() if "=" in word]


def check_fly(project: Path) -> list[str]:
    """By a schema of our own, and what belongs together."""
    text = (project / "fly.toml").read_text()
    wrong = commands(f"check-jsonschema --schemafile {ROOT}/tests/schemas/fly.json fly.toml")(project)
    if wrong:
        return wrong
    found = [*fly(project).problems(project), *floating({"fly.toml": text})]
    service = tomllib.loads(text)["http_service"]
    if service["processes"] != ["web"] or service["internal_port"] != 8000:
        found.append("requests go elsewhere than to web")
    if service["concurrency"]["soft_limit"] > service["concurrency"]["hard_limit"]:
        found.append("the soft limit is above the hard one")
    return found


def render(project: Path) -> Platform:
    """The project on Render."""
    blueprint = yaml.safe_load((project / "render.yaml").read_text())
    running = [service for service in blueprint["services"] if service["type"] != "keyvalue"]
    (web,) = [service for service in running if service["type"] == "web"]
    release = {"release": web["preDeployCommand"]} if "preDeployCommand" in web else {}
    workers = {it["name"].rpartition("-")[2]: it["dockerCommand"] for it in running if it is not web}
    return Platform(
        processes={**release, "web": web["dockerCommand"], **workers},
        variables=render_variables(blueprint, web),
    )


def render_variables(blueprint: Mapping[str, Any], service: Mapping[str, Any]) -> dict[str, str | None]:
    """Those of a service, with what its groups hold."""
    groups = {group["name"]: group["envVars"] for group in blueprint["envVarGroups"]}
    entries = [entry for entry in service["envVars"] if "key" in entry]
    entries += [entry for it in service["envVars"] if "fromGroup" in it for entry in groups[it["fromGroup"]]]
    return {entry["key"]: entry.get("value") for entry in entries}


def dangling(blueprint: Mapping[str, Any]) -> Iterator[str]:
    """References to what is not there."""
    services = {(it["type"], it["name"]): it for it in blueprint["services"]}
    databases = {it["name"] for it in blueprint.get("databases", [])}
    for service in blueprint["services"]:
        for entry in service.get("envVars", []):
            if (database := entry.get("fromDatabase")) and database["name"] not in databases:
                yield f"{service['name']}: {entry['key']} is of no database"
            if not (other := entry.get("fromService")):
                continue
            found = services.get((other["type"], other["name"]))
            keys = {it.get("key") for it in found.get("envVars", [])} if found else set()
            if found is None or other.get("envVarKey", "") not in keys | {""}:
                yield f"{service['name']}: {entry['key']} is of no service"


def check_render(project: Path) -> list[str]:
    """By a schema of our own, and what belongs together."""
    text = (project / "render.yaml").read_text()
    wrong = commands(f"check-jsonschema --schemafile {ROOT}/tests/schemas/render.json render.yaml")(project)
    if wrong:
        return wrong
    blueprint = yaml.safe_load(text)
    found = [*render(project).problems(project), *floating({"render.yaml": text}), *dangling(blueprint)]
    running = [service for service in blueprint["services"] if service["type"] != "keyvalue"]
    kept = [render_variables(blueprint, service).keys() - OF_SERVERS for service in running]
    if any(keys != kept[0] for keys in kept):
        found.append("processes have different variables")
    if len({service["region"] for service in [*blueprint["services"], *blueprint.get("databases", [])]}) != 1:
        found.append("a private network ends at the region")
    return found


CLOUD_RUN = "deploy/cloud_run"
ARTEFACTS = [
    Artefact(
        name="Cloud Run",
        files=[f"{CLOUD_RUN}/*", *PROJECT_FILES],
        check=check_cloud_run,
        faults=[
            (f"{CLOUD_RUN}/service.yaml", "startupProbe:", "startProbe:"),
            (f"{CLOUD_RUN}/service.yaml", "containerConcurrency: 80", 'containerConcurrency: "80"'),
            (f"{CLOUD_RUN}/service.yaml", "autoscaling.knative.dev/minScale", "run.googleapis.com/min-scale"),
            (f"{CLOUD_RUN}/service.yaml", "169.254.0.0/16", '"*"'),
            (f"{CLOUD_RUN}/service.yaml", 'key: "1"', "key: latest"),
            (f"{CLOUD_RUN}/service.yaml", "name: SECRET_KEY", "name: SECRET_KEYS"),
            (f"{CLOUD_RUN}/job.yaml", 'value: "5"', 'value: "6"'),
            (f"{CLOUD_RUN}/job.yaml", '"upgrade", "head"', '"upgrade", "+1"'),
            (f"{CLOUD_RUN}/worker_pool.yaml", "instanceSplits:", "traffic:"),
            (f"{CLOUD_RUN}/deploy.sh", "trap 'rm -rf", "trap rm -rf"),
            (f"{CLOUD_RUN}/deploy.sh", "apply worker-pools worker_pool beat", "# apply"),
        ],
    ),
    Artefact(
        name="Fly.io",
        files=["fly.toml", "docs/deploy/fly.md", *PROJECT_FILES],
        check=check_fly,
        faults=[
            ("fly.toml", "release_command", "release-command"),
            ("fly.toml", 'kill_signal = "SIGTERM"', 'kill_signal = "TERM"'),
            ("fly.toml", "celery -q -A app.worker beat", "celery -A app.worker beat"),
            ("fly.toml", "DATABASE_POOL_SIZE", "DATABASE_POOLSIZE"),
            ("fly.toml", 'ENVIRONMENT = "production"', 'SECRET_KEY = "swordfish"'),
            ("docs/deploy/fly.md", "SECRET_KEY=", "SECRET="),
        ],
    ),
    Artefact(
        name="Render",
        files=["render.yaml", *PROJECT_FILES],
        check=check_render,
        faults=[
            ("render.yaml", "healthCheckPath:", "healthcheckPath:"),
            ("render.yaml", "plan: basic-1gb", "plan: basic_1gb"),
            ("render.yaml", "generateValue: true", "value: swordfish"),
            ("render.yaml", '-keyvalue"\n          property', '-redis"\n          property'),
            ("render.yaml", "envVarKey: STORAGE_BUCKET", "envVarKey: BUCKET"),
            ("render.yaml", "preDeployCommand: alembic upgrade head", "preDeployCommand: alembic stamp head"),
            ("render.yaml", "key: DATABASE_POOL_SIZE", "key: DATABASE_POOLSIZE"),
        ],
    ),
]
