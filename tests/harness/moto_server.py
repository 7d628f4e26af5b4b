"""moto's server, with what its CloudFormation and ECS lack for our stacks.

A program of its own, run by an environment that has moto: `python moto_server.py PORT JOURNAL`. What moto does not do,
and AWS does:

- a change set makes outputs and exports, is empty where no value of a parameter is another, and changes what
  depends on a changed resource;
- secrets are generated, and dynamic references to them are resolved;
- task definitions and services get all that the template says of them, not the name and the image alone;
- types that it does not know are kept, with the attributes that templates ask for, and still refuse others;
- tasks end, with the exit code of what they ran, and leave a log.

An image whose tag contains `unhealthy` does not come up: its stack goes back. One whose tag contains `unmigratable`
ends every task of its own with 1. The journal gets a line of JSON for each change of a service and for each task.
"""

import json
import re
import secrets
import string
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

cloudformation: Any = import_module("moto.cloudformation.models")
parsing: Any = import_module("moto.cloudformation.parsing")
responses: Any = import_module("moto.cloudformation.responses")
errors: Any = import_module("moto.cloudformation.exceptions")
ec2: Any = import_module("moto.ec2.models.elastic_network_interfaces")
ecs: Any = import_module("moto.ecs.models")
elb: Any = import_module("moto.elbv2.models")
logs: Any = import_module("moto.logs.models")
secretsmanager: Any = import_module("moto.secretsmanager.models")
server: Any = import_module("moto.server")

ALPHABET = string.ascii_letters + string.digits
REFERENCE = re.compile(r"\{\{resolve:secretsmanager:(?P<arn>[^{}]+?):SecretString(?::(?P<key>[^{}:]+))?\}\}")
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "AWS::AmazonMQ::Broker": {"AmqpEndpoints": ["amqps://b-1.mq.eu-central-1.amazonaws.com:5671"]},
    "AWS::ElastiCache::ReplicationGroup": {"PrimaryEndPoint.Address": "master.redis.cache.amazonaws.com"},
}
KEPT = (
    "AWS::AmazonMQ::Broker",
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::ElastiCache::ParameterGroup",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::ElastiCache::SubnetGroup",
    "AWS::S3::BucketPolicy",
)


class Journal:
    """What was done, in order."""

    file = Path()

    @classmethod
    def note(cls, **entry: Any) -> None:
        with cls.file.open("a") as out:
            out.write(json.dumps(entry) + "\n")


class Kept:
    """A resource of a type that moto does not know: its properties as they are."""

    def __init__(self, name: str, definition: dict[str, Any]) -> None:
        self.physical_resource_id = name
        self.properties = definition["Properties"]
        self.attributes = ATTRIBUTES.get(definition["Type"], {})

    @classmethod
    def create_from_cloudformation_json(cls, name: str, definition: Any, *_: Any, **__: Any) -> "Kept":
        return cls(name, definition)

    @classmethod
    def update_from_cloudformation_json(cls, **given: Any) -> Any:
        return cls(given["new_resource_name"], given["cloudformation_json"])

    def is_created(self) -> bool:
        return True

    def get_cfn_attribute(self, name: str) -> Any:
        if name not in self.attributes:
            raise errors.UnformattedGetAttTemplateException
        return self.attributes[name]


class Secret(Kept):
    """AWS::SecretsManager::Secret."""

    @classmethod
    def create_from_cloudformation_json(cls, name: str, definition: Any, *args: Any, **_: Any) -> "Secret":
        account, region = args
        properties = definition["Properties"]
        value = properties.get("SecretString") or generated(properties["GenerateSecretString"])
        backend = secretsmanager.secretsmanager_backends[account][region]
        made = backend.create_secret(name, value, None, None, [], None, None, [], False)  # noqa: FBT003
        return cls(json.loads(made)["ARN"], definition)

    @classmethod
    def update_from_cloudformation_json(cls, **given: Any) -> Any:
        return given["original_resource"]


def generated(options: dict[str, Any]) -> str:
    """What GenerateSecretString gives."""
    assert options["ExcludePunctuation"]
    value = "".join(secrets.choice(ALPHABET) for _ in range(options["PasswordLength"]))
    if "SecretStringTemplate" not in options:
        return value
    return json.dumps({**json.loads(options["SecretStringTemplate"]), options["GenerateStringKey"]: value})


def camel(value: Any, *, keep: bool = False) -> Any:
    """The names of CloudFormation as those of ECS; the options of a log driver keep theirs."""
    if isinstance(value, list):
        return [camel(item) for item in value if item is not None]
    if not isinstance(value, dict):
        return value
    named = {name if keep else name[0].lower() + name[1:]: (name, item) for name, item in value.items()}
    return {new: camel(item, keep=old == "Options") for new, (old, item) in named.items() if item is not None}


def define_task(definition: Any, account: str, region: str) -> Any:
    """A new revision with all that the template says."""
    given = camel(definition["Properties"])
    backend = ecs.ecs_backends[account][region]
    return backend.register_task_definition(
        family=given["family"],
        # moto adds up what containers have; that of the task is enough for Fargate.
        container_definitions=[{"memory": int(given["memory"]), **it} for it in given["containerDefinitions"]],
        network_mode=given["networkMode"],
        requires_compatibilities=given["requiresCompatibilities"],
        cpu=given["cpu"],
        memory=given["memory"],
        task_role_arn=given["taskRoleArn"],
        execution_role_arn=given["executionRoleArn"],
        runtime_platform=given["runtimePlatform"],
    )


def serve(name: str, definition: Any, account: str, region: str) -> Any:
    """A new service with all that the template says."""
    given = camel(definition["Properties"])
    journal_service(name, given["taskDefinition"], account, region)
    return ecs.ecs_backends[account][region].create_service(
        given["cluster"],
        name,
        given.get("desiredCount", 1),
        task_definition_str=given["taskDefinition"],
        load_balancers=given.get("loadBalancers"),
        launch_type=given["launchType"],
        network_configuration=given["networkConfiguration"],
    )


def serve_anew(original: Any, definition: Any, account: str, region: str) -> Any:
    """A service whose tasks are replaced."""
    given = camel(definition["Properties"])
    journal_service(original.name, given["taskDefinition"], account, region)
    backend = ecs.ecs_backends[account][region]
    return backend.update_service(
        {"cluster": given["cluster"], "service": original.name, "task_definition": given["taskDefinition"]}
    )


def journal_service(name: str, definition: str, account: str, region: str) -> None:
    """Note what a service is brought to."""
    found = ecs.ecs_backends[account][region].describe_task_definition(definition)
    Journal.note(service=name, image=found.container_definitions[0]["image"])


def created(make: Callable[..., Any]) -> Any:
    """As moto calls what makes a resource."""
    return classmethod(lambda _, name, definition, account, region, **__: make(name, definition, account, region))


def updated(make: Callable[..., Any]) -> Any:
    """As moto calls what changes a resource."""

    def change(_: Any, /, **given: Any) -> Any:
        names = ("original_resource", "cloudformation_json", "account_id", "region_name")
        return make(*(given[name] for name in names))

    return classmethod(change)


def teach_resources() -> None:
    """The types, and what they are made with."""
    types = parsing.get_model_map()
    types.update(dict.fromkeys(KEPT, Kept))
    types["AWS::SecretsManager::Secret"] = Secret
    ecs.TaskDefinition.create_from_cloudformation_json = created(lambda _, *given: define_task(*given))
    ecs.TaskDefinition.update_from_cloudformation_json = updated(lambda _, *given: define_task(*given))
    ecs.Service.create_from_cloudformation_json = created(serve)
    ecs.Service.update_from_cloudformation_json = updated(serve_anew)

    former = elb.FakeLoadBalancer.get_cfn_attribute
    elb.FakeTargetGroup.get_cfn_attribute = full_name
    elb.FakeLoadBalancer.get_cfn_attribute = lambda self, name: (
        self.arn.split(":loadbalancer/")[1] if name == "LoadBalancerFullName" else former(self, name)
    )

    clean = parsing.clean_json

    def resolve(value: Any, resources: Any) -> Any:
        """Dynamic references stand in strings; attributes may have several parts."""
        if isinstance(value, dict) and "Fn::GetAtt" in value:
            name, *attribute = value["Fn::GetAtt"]
            value = {"Fn::GetAtt": [name, ".".join(attribute)]}
        found = clean(value, resources)
        if isinstance(found, str) and "{{resolve:" in found and "${" not in found:
            return REFERENCE.sub(lambda match: secret_value(match, resources), found)
        return found

    parsing.clean_json = resolve


def full_name(group: Any, attribute: str) -> str:
    """The attribute of a target group, and of nothing else."""
    if attribute != "TargetGroupFullName":
        raise errors.UnformattedGetAttTemplateException
    return str(group.arn.split(":")[-1])


def secret_value(match: re.Match[str], resources: Any) -> str:
    """What a dynamic reference stands for."""
    account, region = resources["AWS::AccountId"], resources["AWS::Region"]
    found = secretsmanager.secretsmanager_backends[account][region].get_secret_value(match["arn"], "", "")
    text = found["SecretString"]
    return str(json.loads(text)[match["key"]] if match["key"] else text)


def mentioned(value: Any) -> Iterator[str]:
    """The resources and parameters that a resource refers to."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "Ref":
                yield item
            elif name == "Fn::GetAtt":
                yield item[0]
            elif name == "Fn::Sub":
                yield from re.findall(r"\$\{([A-Za-z0-9]+)", item if isinstance(item, str) else item[0])
            yield from mentioned(item)
    elif isinstance(value, list):
        for item in value:
            yield from mentioned(item)


def teach_change_sets() -> None:
    """They do what creating and updating a stack does."""
    difference = parsing.ResourceMap.build_resource_diff

    def with_dependents(self: Any, template: Any, parameters: Any = None) -> Any:
        actions = difference(self, template, parameters)
        actions["Modify"] = [name for name in template["Resources"] if name in actions["Modify"]]
        for name, resource in template["Resources"].items():
            known = {*actions["Modify"], *actions["Add"]}
            if name not in known and known & {*mentioned(resource)}:
                actions["Modify"].append(name)
        is_there = {name for name in actions["Modify"] if self.get(name) is not None}
        actions["Modify"] = [name for name in actions["Modify"] if name in is_there]
        return actions

    parsing.ResourceMap.build_resource_diff = with_dependents

    make = cloudformation.CloudFormationBackend.create_change_set

    def with_every_value(self: Any, **given: Any) -> Any:
        declared = cloudformation.Stack.parse_template(given["template"]).get("Parameters", {})
        values = {name: it.get("Default") for name, it in declared.items()} | given["parameters"]
        given["parameters"] = {name: str(value) for name, value in values.items() if value is not None}
        return make(self, **given)

    cloudformation.CloudFormationBackend.create_change_set = with_every_value
    # One without changes is made, and has failed.
    setattr(responses.CloudFormationResponse, "_validate_different_update", lambda *_: None)  # noqa: B010 (is private)
    cloudformation.CloudFormationBackend.execute_change_set = execute


def execute(self: Any, change_set_name: str, stack_name: str | None = None) -> None:
    """Create or update the stack, or let it go back where an image does not come up."""
    found = [it for key, it in self.change_sets.items() if change_set_name in {key, it.change_set_name}]
    change_set = next(it for it in found if stack_name in {None, it.stack_name, it.stack_id})
    stack, is_new = self.stacks[change_set.stack_id], change_set.change_set_type == "CREATE"
    image, process = (change_set.parameters.get(name, "") for name in ("Image", "Process"))
    change_set.execution_status = "EXECUTE_COMPLETE"
    if "unhealthy" in image and process != "command":
        Journal.note(service=process, image=image, failed=True)
        stack.status = "ROLLBACK_COMPLETE" if is_new else "UPDATE_ROLLBACK_COMPLETE"
        return
    if is_new:
        del self.stacks[change_set.stack_id]
        # AWS gives nothing to a parameter that nobody declared.
        stack = self.create_stack(stack.name, change_set.template, change_set.parameters, tags=change_set.tags)
        self.stacks[change_set.stack_id] = self.stacks.pop(stack.stack_id)
        stack.stack_id = change_set.stack_id
    else:
        stack.update(change_set.template, parameters=change_set.parameters)
    for export in stack.exports:
        self.exports[export.name] = export


def teach_tasks() -> None:
    """What is run ends, and has said something."""
    start = ecs.EC2ContainerServiceBackend.run_task
    # Asked for by a task, and not there in every network.
    ec2.NetworkInterface.private_dns_name = None

    def run_task(self: Any, *args: Any, **options: Any) -> Any:
        tasks = start(self, *args, **options)
        for task in tasks:
            definition = self.describe_task_definition(task.task_definition_arn)
            container = definition.container_definitions[0]
            command = task.overrides["containerOverrides"][0]["command"]
            network = task.network_configuration["awsvpcConfiguration"]
            Journal.note(task=command, image=container["image"], network=network, launch_type=task.launch_type)
            task.containers[0].exitCode = int("unmigratable" in container["image"])
            group, prefix = (
                container["logConfiguration"]["options"][f"awslogs-{it}"] for it in ("group", "stream-prefix")
            )
            store = logs.logs_backends[self.account_id][self.region_name]
            stream = f"{prefix}/{container['name']}/{task.id}"
            store.create_log_stream(group, stream)
            store.put_log_events(
                group, stream, [{"timestamp": int(time.time() * 1000), "message": f"ran {' '.join(command)}"}]
            )
        return tasks

    ecs.EC2ContainerServiceBackend.run_task = run_task


if __name__ == "__main__":
    Journal.file = Path(sys.argv[2])
    teach_resources()
    teach_change_sets()
    teach_tasks()
    server.main(["-H", "127.0.0.1", "-p", sys.argv[1]])
