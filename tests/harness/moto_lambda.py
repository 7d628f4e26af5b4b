"""moto's server, with what its CloudFormation and Lambda lack for our stack.

`python -m harness.moto_lambda PORT FOLDER RUNTIME`, run by an environment that has moto, with the tests' folder in
PYTHONPATH; RUNTIME is the Python of the functions. What moto does not do, and AWS does, beside what moto_server.py
adds:

- the transform of a SAM template, by AWS's own translator;
- aliases of functions, parts of an HTTP API and alarms are made by stacks, and changed where their properties change;
- an alias hands out its weights, in turn and not at random: with a weight of 0.1 every tenth invocation; where it
  points to `$LATEST`, it has none;
- a function runs: AWS's client of its runtime serves the package, in one container for each version, and a new one
  for each invocation of `$LATEST`.

Alarms stay as they are: `aws cloudwatch set-alarm-state` sets them off.
"""

import atexit
import io
import json
import os
import signal
import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

from harness import moto_server
from harness.aws_lambda import Function, FunctionError, function

apis: Any = import_module("moto.apigatewayv2.models")
cloudwatch: Any = import_module("moto.cloudwatch.models")
lambdas: Any = import_module("moto.awslambda.models")
responses: Any = import_module("moto.awslambda.responses")
exceptions: Any = import_module("moto.awslambda.exceptions")
transform: Any = import_module("samtranslator.translator.transform")

SAM = "AWS::Serverless-2016-10-31"
PASSED_ON = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class Containers:
    """Every function that runs."""

    def __init__(self, folder: Path, runtime: Path) -> None:
        self._folder, self._runtime, self._count = folder, runtime, count()
        self._kept: dict[str, tuple[Function, threading.Lock]] = {}
        self._lock, self._end = threading.Lock(), ExitStack()
        atexit.register(self._end.close)

    def invoke(self, given: Any, event: Any) -> Any:
        """Raises `FunctionError` where the function does, or ends."""
        if given.version == "$LATEST":
            with self._started(given) as container:
                return self._ask(container, event)
        key = f"{given.function_name} {given.version}"
        with self._lock:
            if key not in self._kept:
                self._kept[key] = (self._end.enter_context(self._started(given)), threading.Lock())
            container, turn = self._kept[key]
        with turn:
            return self._ask(container, event)

    def _started(self, given: Any) -> AbstractContextManager[Function]:
        package = self._folder / given.code_sha_256.replace("/", "_")
        if not package.exists():
            with zipfile.ZipFile(io.BytesIO(given.code_bytes)) as archive:
                archive.extractall(package)
        variables = {name: os.environ[name] for name in PASSED_ON} | given.environment_vars
        log = self._folder / f"{given.function_name}-{next(self._count)}.log"
        return function(self._runtime, package, given.handler, log, **variables)

    @staticmethod
    def _ask(container: Function, event: Any) -> Any:
        try:
            return container(event)
        except AssertionError as error:
            raise FunctionError({"errorType": "Runtime.ExitError", "errorMessage": str(error)}) from error


def make_alias(_: str, definition: Any, account: str, region: str) -> moto_server.Kept:
    """AWS::Lambda::Alias."""
    given = definition["Properties"]
    backend = lambdas.lambda_backends[account][region]
    made = backend.create_alias(given["Name"], given["FunctionName"], given["FunctionVersion"], "", None)
    return moto_server.Kept(made.arn, definition)


def change_alias(original: Any, definition: Any, account: str, region: str) -> Any:
    """Where it points to; weights that it has stay."""
    given = definition["Properties"]
    lambdas.lambda_backends[account][region].update_alias(
        name=given["Name"],
        function_name=given["FunctionName"],
        function_version=given["FunctionVersion"],
        description=None,
        routing_config=None,
    )
    return original


def make_api(_: str, definition: Any, account: str, region: str) -> moto_server.Kept:
    """AWS::ApiGatewayV2::Api."""
    given = definition["Properties"]
    absent = "api_key_selection_expression cors_configuration description disable_schema_validation"
    absent += " disable_execute_api_endpoint route_selection_expression tags version"
    made = apis.apigatewayv2_backends[account][region].create_api(
        name=given["Name"], protocol_type=given["ProtocolType"], **dict.fromkeys(absent.split())
    )
    resource = moto_server.Kept(made.api_id, definition)
    resource.attributes = {"ApiEndpoint": made.api_endpoint}
    return resource


def make_integration(_: str, definition: Any, account: str, region: str) -> moto_server.Kept:
    """AWS::ApiGatewayV2::Integration."""
    given = definition["Properties"]
    made = (
        apis.apigatewayv2_backends[account][region]
        .get_api(given["ApiId"])
        .create_integration(
            connection_type=None,
            description=None,
            integration_method=None,
            integration_type=given["IntegrationType"],
            integration_uri=given["IntegrationUri"],
            payload_format_version=given["PayloadFormatVersion"],
        )
    )
    return moto_server.Kept(made.id, definition)


def make_route(_: str, definition: Any, account: str, region: str) -> moto_server.Kept:
    """AWS::ApiGatewayV2::Route."""
    given = definition["Properties"]
    made = (
        apis.apigatewayv2_backends[account][region]
        .get_api(given["ApiId"])
        .create_route(
            api_key_required=False, authorization_scopes=None, route_key=given["RouteKey"], target=given["Target"]
        )
    )
    return moto_server.Kept(made.route_id, definition)


def make_alarm(_: str, definition: Any, account: str, region: str) -> moto_server.Kept:
    """AWS::CloudWatch::Alarm."""
    given = definition["Properties"]
    cloudwatch.cloudwatch_backends[account][region].put_metric_alarm(
        name=given["AlarmName"],
        namespace=given["Namespace"],
        metric_name=given["MetricName"],
        comparison_operator=given["ComparisonOperator"],
        evaluation_periods=int(given["EvaluationPeriods"]),
        period=int(given["Period"]),
        threshold=float(given["Threshold"]),
        statistic=given["Statistic"],
        description=given["AlarmDescription"],
        dimensions=given["Dimensions"],
        alarm_actions=[],
        treat_missing_data=given["TreatMissingData"],
    )
    return moto_server.Kept(given["AlarmName"], definition)


def kind(make: Callable[..., moto_server.Kept], **more: Any) -> type:
    """As moto wants the type of a resource."""
    return type(make.__name__, (), {"create_from_cloudformation_json": moto_server.created(make), **more})


def teach_types() -> None:
    """Those that moto does not know."""
    moto_server.parsing.get_model_map().update(
        {
            "AWS::ApiGatewayV2::Api": kind(make_api, has_cfn_attr=staticmethod("ApiEndpoint".__eq__)),
            "AWS::ApiGatewayV2::Integration": kind(make_integration),
            "AWS::ApiGatewayV2::Route": kind(make_route),
            "AWS::ApiGatewayV2::Stage": moto_server.Kept,
            "AWS::CloudWatch::Alarm": kind(make_alarm),
            "AWS::Lambda::Alias": kind(make_alias, update_from_cloudformation_json=moto_server.updated(change_alias)),
        }
    )


def teach_stacks() -> None:
    """The transform, and to leave alone what does not change."""
    parsing, made = moto_server.parsing, dict[tuple[str, str], str]()
    create, change = parsing.parse_and_create_resource, parsing.parse_and_update_resource

    def resolved(name: str, definition: Any, resources: Any) -> str:
        _, given, _ = parsing.parse_resource_and_generate_name(name, definition, resources)
        return json.dumps(given.get("Properties"), sort_keys=True, default=str)

    def parse_and_create(name: str, definition: Any, resources: Any, *args: Any, **options: Any) -> Any:
        made[resources.stack_id, name] = resolved(name, definition, resources)
        return create(name, definition, resources, *args, **options)

    def parse_and_update(name: str, definition: Any, resources: Any, *args: Any, **options: Any) -> Any:
        present, wanted = resources[name], resolved(name, definition, resources)
        if made[resources.stack_id, name] == wanted:
            return present
        made[resources.stack_id, name] = wanted
        return change(name, definition, resources, *args, **options)

    parsing.parse_and_create_resource, parsing.parse_and_update_resource = parse_and_create, parse_and_update

    clean = parsing.clean_json

    def clean_without_nothing(value: Any, resources: Any) -> Any:
        """`AWS::NoValue` is no element of a list."""
        found = clean(value, resources)
        return [item for item in found if item is not None] if isinstance(found, list) else found

    parsing.clean_json = clean_without_nothing

    backend = moto_server.cloudformation.CloudFormationBackend
    make = backend.create_change_set

    def transformed(self: Any, **given: Any) -> Any:
        template = moto_server.cloudformation.Stack.parse_template(given["template"])
        if template.get("Transform") == SAM:
            result = transform.transform(json.loads(json.dumps(template)), given["parameters"], None)
            given["template"] = json.dumps(result)
        return make(self, **given)

    backend.create_change_set = transformed

    answers = moto_server.responses.CloudFormationResponse
    fetch = getattr(answers, "_get_stack_from_s3_url")  # noqa: B009 (is private)
    # moto takes the bucket from the path for this host alone.
    setattr(  # noqa: B010 (is private)
        answers, "_get_stack_from_s3_url", lambda self, url: fetch(self, url.replace("//127.0.0.1:", "//localhost:"))
    )


class Turns:
    """Which version an invocation goes to."""

    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()

    def chosen(self, backend: Any, name: str, qualifier: str | None) -> Any:
        """The one that is asked for by name, or through an alias."""
        found = backend.get_function(name, qualifier)
        wanted = qualifier or (name.rpartition(":")[2] if ":function:" in name else None)
        aliases = {it.name: it.routing_config or {} for it in backend.list_aliases(found.function_name)}
        for version, weight in aliases.get(wanted, {}).get("AdditionalVersionWeights", {}).items():
            key = f"{found.function_name} {wanted} {version}"
            self._asked[key] += 1
            if int(self._asked[key] * weight) > int((self._asked[key] - 1) * weight):
                return backend.get_function(found.function_name, version)
        return found


def teach_functions(containers: Containers) -> None:
    """To run, and to be chosen by an alias."""
    turns = Turns()

    def invoke(self: Any, name: str, qualifier: str | None, body: Any, _: Any, answer: dict[str, str]) -> bytes:
        version = turns.chosen(self, name, qualifier)
        answer["X-Amz-Executed-Version"] = str(version.version)
        try:
            result = containers.invoke(version, json.loads(body or "{}"))
        except FunctionError as error:
            answer["X-Amz-Function-Error"] = "Unhandled"
            result = error.args[0]
        return json.dumps(result).encode()

    lambdas.LambdaBackend.invoke = invoke

    respond = responses.LambdaResponse.invoke

    def respond_for_version(self: Any) -> Any:
        # moto looks for it in lower case only.
        self.querystring["qualifier"] = self.querystring.get("Qualifier", [None])
        return respond(self)

    responses.LambdaResponse.invoke = respond_for_version

    route = lambdas.LambdaBackend.update_alias

    def update_alias(self: Any, **given: Any) -> Any:
        if (given["routing_config"] or {}).get("AdditionalVersionWeights") and given["function_version"] == "$LATEST":
            raise exceptions.InvalidParameterValueException("$LATEST is not supported for an alias with weights")
        return route(self, **given)

    lambdas.LambdaBackend.update_alias = update_alias


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    moto_server.teach_resources()
    moto_server.teach_change_sets()
    teach_types()
    teach_stacks()
    teach_functions(Containers(Path(sys.argv[2]), Path(sys.argv[3])))
    moto_server.server.main(["-H", "127.0.0.1", "-p", sys.argv[1]])
