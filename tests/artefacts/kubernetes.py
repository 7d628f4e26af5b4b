"""The Helm chart: rendered by Helm for each environment, and what it says then."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, reduce
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from harness.artefacts import Artefact, commands
from harness.commands import run
from harness.tools_kubernetes import helm

CHART = "deploy/kubernetes/chart"
IMAGE = "registry.example.com/service:1a2b3c4"
# What is off as long as nobody asks for it.
OPTIONS = "gateway.enabled=true,metrics.podMonitor.enabled=true,alerts.enabled=true"
# Of operators and of the Gateway API, which Kubernetes' own schemas do not know.
FOREIGN = {"monitoring.coreos.com/v1", "gateway.networking.k8s.io/v1"}
# Read by the server, not by the settings.
OF_THE_SERVER = {"FORWARDED_ALLOW_IPS", "WEB_CONCURRENCY"}
SECRETS = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY$|_DSN$|^(DATABASE|REDIS|CELERY_BROKER)_.*URL$")
WRONG_VALUES: Sequence[tuple[str, object]] = (
    ("image", "registry.example.com:5000/service"),
    ("image", "registry.example.com/service:latest"),
    ("web.replica", 3),
    ("web.replicas", "many"),
    ("web.resources.limits.memory", "lots"),
    ("config.log-level", "info"),
    ("config.PORT", 8000),
    ("config.ENVIRONMENT", "development"),
    ("secret.keys", ["database_url"]),
)
# Process, and the setting that says how long it may take to stop.
STOPS = {
    "web": "SERVE_STOP_SECONDS",
    "worker": "CELERY_TIME_LIMIT_SECONDS",
    "consumer": "EVENTS_HANDLER_TIMEOUT_SECONDS",
}

Manifest = Mapping[str, Any]


def check(project: Path) -> list[str]:
    """Everything about the chart."""
    production = ["--values", f"{CHART}/values-production.yaml"]
    return [
        *with_helm(project, "lint", "--strict", CHART, *production, "--set", f"image={IMAGE}"),
        *rendered_problems(project, "--values", f"{CHART}/values-staging.yaml"),
        *rendered_problems(project, *production, *options(project)),
        *values_problems(project),
    ]


def values_problems(project: Path) -> Iterator[str]:
    """Wrong values that the schema lets pass; Helm itself is asked in `test_kubernetes.py`."""
    schema = Draft202012Validator(json.loads((project / CHART / "values.schema.json").read_text()))
    text = (project / CHART / "values.yaml").read_text()
    for path, value in [("image", IMAGE), *WRONG_VALUES]:
        values = yaml.safe_load(text)
        values["image"] = IMAGE
        *parts, last = path.split(".")
        reduce(dict.__getitem__, parts, values)[last] = value
        if schema.is_valid(values) != (value == IMAGE):
            yield f"{path}={value}: the values' schema is wrong about it"


def options(project: Path) -> list[str]:
    """Everything on that the project can have."""
    values = yaml.safe_load((project / CHART / "values.yaml").read_text())
    wanted = [it for it in OPTIONS.split(",") if it.partition(".")[0] in values]
    rules = [f"alerts.rules.{it.parent.name}={it}" for it in sorted(project.glob("monitoring/*/alerts.yml"))]
    files = [part for rule in rules for part in ("--set-file", rule)]
    return ["--set", ",".join(wanted), *files]


def with_helm(project: Path, *arguments: str) -> list[str]:
    """What Helm says where it refuses."""
    outcome = run([str(helm() / "helm"), *arguments], project)
    return [] if outcome.ok else [str(outcome)]


def rendered(project: Path, *arguments: str) -> list[Manifest] | str:
    """The manifests, or why there are none."""
    command = [str(helm() / "helm"), "template", "release", CHART, "--set", f"image={IMAGE}", *arguments]
    outcome = run(command, project)
    if not outcome.ok:
        return str(outcome)
    return [it for it in yaml.safe_load_all(outcome.output) if it]


def rendered_problems(project: Path, *arguments: str) -> list[str]:
    """What Kubernetes would say, and what it would not."""
    manifests = rendered(project, *arguments)
    if isinstance(manifests, str):
        return [manifests]
    found = [problem for it in manifests for problem in [*schema_problems(it), *pod_problems(it)]]
    settings = dict(re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", (project / ".env.example").read_text(), re.MULTILINE))
    for it in manifests:
        found += [f"{name_of(it)}: {problem}" for problem in stop_problems(it, settings)]
    return [*found, *name_problems(project, manifests, settings.keys()), *selector_problems(manifests)]


def name_of(it: Manifest) -> str:
    return f"{it['kind']} {it['metadata']['name']}"


def schema_problems(it: Manifest) -> list[str]:
    return [f"{name_of(it)}: {message}" for message in _schema_problems(json.dumps(it))]


@cache
def _schema_problems(text: str) -> Sequence[str]:
    """Of one manifest: many rows have the same."""
    it = json.loads(text)
    if it["apiVersion"] in FOREIGN:
        return []
    try:
        kubernetes_validate.validate(it, kubernetes_validate.latest_version(), strict=True)
    except kubernetes_validate.ValidationError as error:
        return [str(error.message)]
    return []


def pod_of(it: Manifest) -> Manifest | None:
    """The template of its pods."""
    return it["spec"].get("template") if it["kind"] in {"Deployment", "Job"} else None


def pod_problems(it: Manifest) -> Iterator[str]:
    """What a pod must not do."""
    if it["kind"] == "Secret":
        yield f"{name_of(it)}: a secret is in the chart"
    if (pod := pod_of(it)) is None:
        return
    spec = pod["spec"]
    (container,) = spec["containers"]
    context, own = spec.get("securityContext", {}), container.get("securityContext", {})
    tmp = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 (of the container)
    rules = {
        "may be root": context.get("runAsNonRoot") is True and context.get("runAsUser", 0) > 0,
        "has no seccomp profile": context.get("seccompProfile") == {"type": "RuntimeDefault"},
        "can write its image": own.get("readOnlyRootFilesystem") is True and tmp in container["volumeMounts"],
        "has capabilities": own.get("capabilities") == {"drop": ["ALL"]},
        "can gain rights": own.get("allowPrivilegeEscalation") is False,
        "gets a token": spec.get("automountServiceAccountToken") is False,
        "gets variables of services": spec.get("enableServiceLinks") is False,
        "has no limits": {"cpu", "memory"} <= container["resources"]["requests"].keys()
        and "memory" in container["resources"]["limits"],
        "runs another image": container["image"] == IMAGE,
        "ends unseen": it["kind"] == "Job" or {"startupProbe", "livenessProbe"} <= container.keys(),
        "holds a secret": not any(SECRETS.search(one["name"]) and "value" in one for one in container["env"]),
    }
    yield from (f"{name_of(it)}: {wrong}" for wrong, right in rules.items() if not right)


def stop_problems(it: Manifest, settings: Mapping[str, str]) -> Iterator[str]:
    """Whether a process is killed before it has stopped."""
    if it["kind"] == "Deployment":
        variable = STOPS.get(it["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"])
        grace = it["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        if variable and grace <= int(settings[variable]):
            yield f"is killed after {grace} seconds, {variable} is {settings[variable]}"


def variables_of(it: Manifest) -> Iterator[str]:
    """The names that it sets."""
    if it["kind"] == "ConfigMap":
        yield from it["data"]
    if (pod := pod_of(it)) is not None:
        yield from (one["name"] for one in pod["spec"]["containers"][0]["env"])


def name_problems(project: Path, manifests: list[Manifest], settings: Any) -> list[str]:
    """Whether the variables are settings, none of those is missing that production asks for, and none is a secret."""
    given = {name for it in manifests for name in variables_of(it)}
    plain = {name for it in manifests if it["kind"] == "ConfigMap" for name in it["data"]}
    return [
        *(f"{name}: no such setting" for name in sorted(given - set(settings) - OF_THE_SERVER)),
        *(f"{name}: a secret among the plain settings" for name in sorted(plain) if SECRETS.search(name)),
        *(f"{name}: production asks for it" for name in sorted(required(project) - given)),
    ]


def required(project: Path) -> set[str]:
    """What the settings refuse to run without where deployed."""
    sources = [path.read_text() for path in project.glob("app/**/settings.py")]
    found = {name for text in sources for name in re.findall(r'"([A-Z_]+) must (?:name|be set|be the)\b', text)}
    # Once a provider is on, and in place of REDIS_URL.
    optional = {"OAUTH_REDIRECT_URL"}
    if "SharedBrokerSettings as CelerySettings" in (project / "app/bootstrap/settings.py").read_text():
        optional.add("CELERY_BROKER_URL")
    return found - optional


def selector_problems(manifests: list[Manifest]) -> Iterator[str]:
    """Selectors that nothing fits."""
    labels = [pod["metadata"]["labels"].items() for it in manifests if (pod := pod_of(it)) is not None]
    for it in manifests:
        spec = it.get("spec", {})
        selector = spec.get("podSelector") or spec.get("selector") or {}
        wanted = selector.get("matchLabels", selector)
        if wanted and not any(wanted.items() <= one for one in labels):
            yield f"{name_of(it)}: selects no pod"


ARTEFACTS = [
    Artefact(
        name="Helm chart",
        files=[f"{CHART}/**/*", "monitoring/*/alerts.yml", ".env.example", "app/**/settings.py"],
        check=check,
        faults=[
            (f"{CHART}/templates/web.yaml", "{{- end }}", ""),
            (f"{CHART}/templates/_helpers.tpl", "readOnlyRootFilesystem", "readOnlyRootFileSystem"),
            (f"{CHART}/templates/_helpers.tpl", "runAsUser: 10001", "runAsUser: 0"),
            (f"{CHART}/templates/_helpers.tpl", "enableServiceLinks: false", "enableServiceLinks: true"),
            (f"{CHART}/templates/network.yaml", "component: web", "component: www"),
            (f"{CHART}/values.schema.json", '"not": {"pattern": ":latest$"}', '"not": {"pattern": ":newest$"}'),
            (f"{CHART}/values.yaml", "stopSeconds: 30", "stopSeconds: 25"),
            (f"{CHART}/values.yaml", "    - REDIS_URL\n", ""),
            (f"{CHART}/values-production.yaml", "config:\n", "config:\n  LOG_LEVLE: info\n"),
            (f"{CHART}/values-production.yaml", "config:\n", "config:\n  REDIS_URL: redis://:password@host/0\n"),
        ],
    ),
    Artefact(
        name="Kubernetes scripts",
        files=["deploy/kubernetes/*.sh"],
        check=commands("sh -c 'shellcheck deploy/kubernetes/*.sh'"),
        faults=[("deploy/kubernetes/deploy.sh", '"$values"', "$values")],
    ),
]
