"""CloudFormation, a task definition and scripts for AWS ECS."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from cfnlint.api import ManualArgs
from cfnlint.api import lint as cfn_lint

from harness.artefacts import Artefact, Check, commands

FOLDER = "deploy/aws_ecs"
PROCESSES, DEFINITION = f"{FOLDER}/process.yaml", f"{FOLDER}/task-definition.json"
# With their resources; what AWS requires, or what only refuses.
ANYTHING = {
    "ecr:GetAuthorizationToken": "AWS knows no resource for it",
    "s3:*": "in a Deny of what is not encrypted",
}
# What no settings group reads: uvicorn does, and asyncpg.
OF_OTHERS = {"FORWARDED_ALLOW_IPS", "PGPASSWORD", "WEB_CONCURRENCY"}
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY$|USERNAME|^REDIS_URL|BROKER_URL")
REFUSAL = re.compile(r"\"([A-Z][A-Z_]+) must (?:name|be set|be the https)")


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as its long ones."""


def _long_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(cast("yaml.MappingNode", node), deep=True)}


_Loader.add_multi_constructor("!", _long_form)


def template(path: Path) -> dict[str, Any]:
    """A CloudFormation template."""
    return cast("dict[str, Any]", yaml.load(path.read_text(), Loader=_Loader))  # noqa: S506 (a safe one)


def container(project: Path) -> dict[str, Any]:
    """What each process of a project is run with."""
    definition = template(project / PROCESSES)["Resources"]["TaskDefinition"]["Properties"]
    return cast("dict[str, Any]", definition["ContainerDefinitions"][0])


def lint(name: str) -> Check:
    """A check of one template; in this process, since most of the time goes into starting."""

    def check(project: Path) -> list[str]:
        path = project / FOLDER / name
        matches = cfn_lint(path.read_text(), config=ManualArgs(regions=["us-east-1"]))
        found = [f"{name}:{match.linenumber}: {match.rule.id} {match.message}" for match in matches]
        return found or list(policy_problems(template(path)))

    return check


def policy_problems(document: dict[str, Any]) -> Iterator[str]:
    """Permissions for more than what they are needed for."""
    for statement in statements(document):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        for action in actions:
            is_broad = "*" in action or statement.get("Resource") == "*"
            is_known = action in ANYTHING and ("*" not in action or statement["Effect"] == "Deny")
            if is_broad and not is_known:
                yield f"a permission for everything: {action}"


def statements(value: Any) -> Iterator[dict[str, Any]]:
    """Every statement of every policy."""
    if isinstance(value, dict):
        if "Effect" in value and "Action" in value:
            yield value
        for item in value.values():
            yield from statements(item)
    elif isinstance(value, list):
        for item in value:
            yield from statements(item)


def variables(project: Path) -> list[str]:
    """The variables of both: those that exist, no more, and all that production insists on."""
    known = set(re.findall(r"^#?([A-Z][A-Z_]+)=", (project / ".env.example").read_text(), re.MULTILINE)) | OF_OTHERS
    sources = [path.read_text() for path in project.glob("app/**/settings.py")]
    insisted = {name for source in sources for name in REFUSAL.findall(source)}
    if "SharedBrokerSettings" in (project / "app/bootstrap/settings.py").read_text():
        insisted -= {"CELERY_BROKER_URL"}
    written = json.loads((project / DEFINITION).read_text())["containerDefinitions"][0]
    found = []
    for place, (open_, secret) in {
        PROCESSES: names(container(project), "Environment", "Secrets", "Name"),
        DEFINITION: names(written, "environment", "secrets", "name"),
    }.items():
        given = open_ | secret
        found += [f"{place}: there is no setting {name}" for name in sorted(given - known)]
        found += [f"{place}: production insists on {name}" for name in sorted((insisted | {"ENVIRONMENT"}) - given)]
        found += [f"{place}: {name} for all to read" for name in sorted(open_) if SECRET.search(name)]
    return found


def names(given: dict[str, Any], open_: str, secret: str, name: str) -> tuple[set[str], set[str]]:
    """The names of the variables, and of those with secrets."""
    return {it[name] for it in given.get(open_, [])}, {it[name] for it in given.get(secret, [])}


def task_definition(project: Path) -> list[str]:
    """What the AWS CLI would say of it before it sends it, and where it differs from what CloudFormation runs."""
    text = (project / DEFINITION).read_text()
    given = json.loads(text)
    report = ParamValidator().validate(given, registration())
    found = [report.generate_report()] if report.has_errors() else []
    web, written = template(project / PROCESSES), given["containerDefinitions"][0]
    expected = web["Mappings"]["Processes"]["web"]
    if (written["command"], written["healthCheck"]["command"]) != (expected["Command"], expected["Health"]):
        found.append("it runs something else than process.yaml")
    if written["stopTimeout"] != expected["StopTimeout"] or not written["readonlyRootFilesystem"]:
        found.append("it runs in another way than process.yaml")
    if ":latest" in text:
        found.append("latest is another image tomorrow")
    return found


@cache
def registration() -> Any:
    """What botocore knows of the call that registers a task definition."""
    model = ServiceModel(Loader().load_service_model("ecs", "service-2"), "ecs")
    return model.operation_model("RegisterTaskDefinition").input_shape


def linted(name: str, *faults: tuple[str, str]) -> Artefact:
    """One template."""
    path = f"{FOLDER}/{name}"
    return Artefact(
        name=f"ECS {name}",
        files=[path],
        check=lint(name),
        faults=[(path, right, wrong) for right, wrong in faults],
    )


ARTEFACTS = [
    linted("registry.yaml", ("ImageTagMutability", "ImageTagMutable")),
    linted("network.yaml", ("!Ref PublicSubnet1", "!Ref PublicSubnet9"), ("The tasks of the service", "The service's")),
    linted("data.yaml", ("CacheNodeType", "NodeType"), ("!Ref RedisSubnets", "!Ref RedisSubnet")),
    linted(
        "cluster.yaml",
        ("!GetAtt ExecutionRole.Arn", "!GetAtt ExecutionRole.Name"),
        ("Action: secretsmanager:GetSecretValue", "Action: secretsmanager:*"),
        ("- ecr:BatchGetImage", '- "ecr:*"'),
    ),
    linted("process.yaml", ("Cpu: !Ref Cpu", 'Cpu: "300"'), ("ReadonlyRootFilesystem", "ReadOnlyRootFilesystem")),
    Artefact(
        name="ECS variables",
        files=[PROCESSES, DEFINITION, ".env.example", "app/**/settings.py"],
        check=variables,
        faults=[
            (PROCESSES, "Name: TRUSTED_HOSTS", "Name: TRUSTED_HOST"),
            (PROCESSES, "Name: REDIS_URL", "Name: REDIS_PREFIX"),
            (DEFINITION, '"REDIS_URL"', '"REDIS_PREFIX"'),
            (DEFINITION, '"TRUSTED_HOSTS"', '"DOCS_PASSWORD"'),
        ],
    ),
    Artefact(
        name="ECS task definition",
        files=[DEFINITION, PROCESSES],
        check=task_definition,
        faults=[
            (DEFINITION, '"networkMode"', '"networkModes"'),
            (DEFINITION, ":TAG", ":latest"),
            (DEFINITION, "/health/live", "/health/ready"),
        ],
    ),
    Artefact(
        name="ECS scripts",
        files=[f"{FOLDER}/*.sh"],
        check=commands(f"sh -c 'shellcheck --external-sources {FOLDER}/*.sh'"),
        faults=[(f"{FOLDER}/deploy.sh", 'process command "$target"', "process command $target")],
    ),
]
