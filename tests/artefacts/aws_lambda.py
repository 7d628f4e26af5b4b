"""The SAM template, and the scripts around it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from harness.artefacts import Artefact, commands

FOLDER = "deploy/aws_lambda"
# Each in an environment of its own: they pin much.
LINT = f"sh -c 'cd {FOLDER} && uv tool run --quiet --from \"cfn-lint[sam]>=1.58\" cfn-lint -- template.yaml'"
VALIDATE = (
    f"sh -c 'cd {FOLDER} && AWS_DEFAULT_REGION=eu-central-1 SAM_CLI_TELEMETRY=0 "
    'uv tool run --quiet --from "aws-sam-cli>=1.150" sam validate\''
)
# What network interfaces take: they have no names yet when AWS asks.
FOR_ANYTHING = {
    f"ec2:{name}"
    for name in (
        "AssignPrivateIpAddresses",
        "CreateNetworkInterface",
        "DeleteNetworkInterface",
        "DescribeNetworkInterfaces",
        "DescribeSubnets",
        "UnassignPrivateIpAddresses",
    )
}
# What only a value that is a secret looks like, in a variable of such a name.
SECRETS = re.compile(r"(SECRET_KEY|PASSWORD|TOKEN|_URL|DSN)$")
REFERENCE = re.compile(r"\{\{resolve:secretsmanager:\$\{SecretArn\}:SecretString:([A-Z_]+)\}\}")


class _Loader(yaml.SafeLoader):
    """Reads `!Ref x` as `x`."""


def _plain(loader: yaml.SafeLoader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _plain)


def check(project: Path) -> list[str]:
    """What no tool knows."""
    template = yaml.load((project / FOLDER / "template.yaml").read_text(), _Loader)  # noqa: S506 (a safe one)
    return [*_permissions(template), *_variables(project, template)]


def _permissions(template: Any) -> Iterator[str]:
    policies = template["Resources"]["Identity"]["Properties"]["Policies"]
    for policy in policies:
        chosen = policy[1] if isinstance(policy, list) else policy
        for statement in chosen["PolicyDocument"]["Statement"]:
            action = statement["Action"]
            actions = {action} if isinstance(action, str) else set(action)
            if any("*" in name for name in actions):
                yield f"{chosen['PolicyName']}: {actions}"
            if statement["Resource"] == "*" and not actions <= FOR_ANYTHING:
                yield f"{chosen['PolicyName']}: {actions} for anything"


def _variables(project: Path, template: Any) -> Iterator[str]:
    known = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (project / ".env.example").read_text(), re.MULTILINE))
    for name, value in template["Globals"]["Function"]["Environment"]["Variables"].items():
        if name not in known:
            yield f"{name}: there is no such setting"
        reference = REFERENCE.fullmatch(value)
        if SECRETS.search(name) and reference is None:
            yield f"{name}: a secret by value"
        if reference is not None and reference[1] != name:
            yield f"{name}: the value of {reference[1]}"


ARTEFACTS = [
    Artefact(
        name="SAM template",
        files=[f"{FOLDER}/template.yaml", f"{FOLDER}/samconfig.toml"],
        check=commands(LINT, VALIDATE),
        faults=[(f"{FOLDER}/template.yaml", "PayloadFormatVersion:", "PayloadFormat:")],
    ),
    Artefact(
        name="variables and permissions on AWS Lambda",
        files=[f"{FOLDER}/template.yaml", ".env.example"],
        check=check,
        faults=[
            (f"{FOLDER}/template.yaml", "Action: secretsmanager:GetSecretValue", "Action: secretsmanager:*"),
            (f"{FOLDER}/template.yaml", "Resource: !Ref SecretArn", "Resource: '*'"),
            (f"{FOLDER}/template.yaml", "DATABASE_POOL_SIZE:", "DATABASE_POOLS:"),
            (
                f"{FOLDER}/template.yaml",
                "        DATABASE_POOL_SIZE:",
                "        SECRET_KEY: abc\n        DATABASE_POOL_SIZE:",
            ),
        ],
    ),
    Artefact(
        name="scripts for AWS Lambda",
        files=[f"{FOLDER}/*.sh"],
        check=commands(f"sh -c 'shellcheck {FOLDER}/*.sh'"),
        faults=[(f"{FOLDER}/{name}.sh", '"$service"', "$service") for name in ("deploy", "rollback")],
    ),
]
