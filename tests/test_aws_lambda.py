"""The functions of AWS Lambda, run by the client of its runtime: what build.sh makes, and events of API Gateway."""

import json
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from harness import ROOT
from harness.aws_lambda import Function, FunctionError, function
from harness.aws_lambda_package import package, runtime
from harness.projects import Renderer, add_own_feature
from harness.servers import new_database, redis

pytestmark = pytest.mark.deploy

PASSWORD = "correct horse battery staple"
PROBLEM = "application/problem+json"
SERVICE, MANAGE = "app.lambda_handler.handler", "app.lambda_manage.handler"
Start = Callable[..., AbstractContextManager[Function]]

# A feature of the owner's that says what happens to it.
KETTLE = """
import asyncio
from contextlib import asynccontextmanager

from fastapi import APIRouter, Request, Response

from app.core.feature import Feature

router = APIRouter(prefix="/kettle")


@router.put("/echo")
async def echo(request: Request) -> Response:
    response = Response(await request.body(), media_type="application/octet-stream")
    for name, value in request.cookies.items():
        response.set_cookie(f"{name}-back", value)
    return response


@router.get("/client")
async def client(request: Request) -> dict:
    return {
        "client": request.client.host,
        "url": str(request.url),
        "loop": id(asyncio.get_running_loop()),
        "kettle": request.state.kettle,
    }


@router.get("/defect")
async def defect() -> None:
    raise RuntimeError("broken")


@asynccontextmanager
async def lifespan(_):
    print("kettle opened", flush=True)
    yield {"kettle": "full"}
    print("kettle closed", flush=True)


FEATURE = Feature(name="kettle", routers=(router,), lifespan=lifespan)
"""


def request(method: str, path: str, body: object = None, **changed: Any) -> dict[str, Any]:
    """As in AWS's documentation of payload format 2.0."""
    headers = {"accept": "*/*", "host": "api.example.com", "x-forwarded-for": "198.51.100.1, 203.0.113.7"}
    if body is not None:
        headers["content-type"] = "application/json"
        changed["body"] = body if isinstance(body, str) else json.dumps(body)
    headers |= changed.pop("headers", {})
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "r3pmxmplak",
            "domainName": "api.example.com",
            "domainPrefix": "api",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "curl/8.5.0",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "10/Mar/2026:05:16:23 +0000",
            "timeEpoch": 1583817383220,
        },
        "isBase64Encoded": False,
        **changed,
    }


@pytest.fixture(scope="module")
def start_of(
    render: Renderer, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., tuple[Path, Start]]:
    """Builds the package of a project with these answers."""

    def build(**answers: Any) -> tuple[Path, Start]:
        folder = tmp_path_factory.mktemp("lambda")
        version = f"3.{sys.version_info.minor}"
        project = render.project(folder / "project", deployment="aws_lambda", python_version=version, **answers)
        add_own_feature(project, "kettle", KETTLE)
        python = runtime(shared)
        return project, partial(function, python, package(project))

    return build


class TestMinimal:
    @pytest.fixture(scope="class")
    @classmethod
    def start(cls, start_of: Callable[..., tuple[Path, Start]]) -> Start:
        return start_of(preset="minimal")[1]

    def test_starts_once_and_answers_request_after_request(self, start: Start, tmp_path: Path) -> None:
        with start(SERVICE, tmp_path / "log", ENVIRONMENT="production") as service:
            cold, warm = (service(request("GET", "/api/v1/kettle/client")) for _ in range(2))
            missing = service(request("GET", "/no/such/path"))
            defect = service(request("GET", "/api/v1/kettle/defect"))
            ready = service(ready_event())
            status = service.terminate()
            log = service.log()

        assert (cold["statusCode"], warm["statusCode"]) == (200, 200)
        assert cold["body"] == warm["body"]
        seen = json.loads(cold["body"])
        assert (seen["client"], seen["kettle"]) == ("203.0.113.7", "full")
        assert seen["url"] == "https://api.example.com/api/v1/kettle/client"
        assert cold["headers"]["x-request-id"] != warm["headers"]["x-request-id"]
        for problem, code in ((missing, 404), (defect, 500)):
            assert problem["statusCode"] == code
            assert problem["headers"]["content-type"] == PROBLEM
            assert json.loads(problem["body"])["status"] == code
        assert ready["statusCode"] == 200
        assert status == 0
        assert (log.count("kettle opened"), log.count("kettle closed")) == (1, 1)
        lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        assert {line["request_id"] for line in lines} >= {cold["headers"]["x-request-id"]}

    def test_passes_bodies_and_cookies_both_ways(self, start: Start, tmp_path: Path) -> None:
        body = bytes(range(256))
        event = request(
            "PUT",
            "/api/v1/kettle/echo",
            b64encode(body).decode(),
            isBase64Encoded=True,
            cookies=["a=1", "b=2"],
        )
        with start(SERVICE, tmp_path / "log", ENVIRONMENT="production") as service:
            answer = service(event)

        assert answer["isBase64Encoded"]
        assert b64decode(answer["body"]) == body
        assert [cookie.split(";")[0] for cookie in answer["cookies"]] == ["a-back=1", "b-back=2"]

    def test_runs_commands_apart_from_requests(self, start: Start, tmp_path: Path) -> None:
        with start(MANAGE, tmp_path / "log", ENVIRONMENT="production") as manage:
            assert "GET    /health/live" in manage({"command": "routes"})["output"]
            with pytest.raises(FunctionError, match="No such command"):
                manage({"command": "tea"})
            assert "ENVIRONMENT=production" in manage({"command": "settings"})["output"]

    def test_says_what_is_wrong_with_its_configuration(self, start: Start, tmp_path: Path) -> None:
        with start(SERVICE, tmp_path / "log", ENVIRONMENT="production", LOG_LEVEL="loud") as service:
            assert service.process.wait(90) == 1
            assert "LOG_LEVEL: Input should be" in service.log()


def test_saas_is_migrated_serves_and_loses_nothing(
    start_of: Callable[..., tuple[Path, Start]], postgres: str, tmp_path: Path
) -> None:
    project, start = start_of(preset="saas")
    with new_database(postgres) as database, redis() as cache:
        variables = {**template_variables(project), **own_variables(database, cache)}
        with start(MANAGE, tmp_path / "manage", **variables) as manage:
            manage({"command": "db upgrade"})
            # As the schedule of the template sends it.
            assert "session" in manage(purge_event(project))["output"]
        with start(SERVICE, tmp_path / "service", **variables) as service:
            ready = service(request("GET", "/health/ready"))
            key = api_key_of(service)
            used = service(request("GET", "/api/v1/users/me", headers={"x-api-key": key}))
            # Nothing is kept for later: the container stands still from here on.
            with psycopg.connect(database) as connection:
                uses = connection.execute("SELECT route, address FROM api_key_usage").fetchall()
            assert service.terminate() == 0
            log = service.log()

    # There is no bucket here.
    assert (ready["statusCode"], *json.loads(ready["body"])["failing"]) == (200, "storage"), ready
    assert used["statusCode"] == 200
    assert [(route, str(address)) for route, address in uses] == [("/api/v1/users/me", "203.0.113.7")]
    assert "Traceback" not in log, log


def api_key_of(service: Function) -> str:
    """Of a new account."""
    account = {"name": "Ada", "username": "ada", "email": "ada@example.com", "password": PASSWORD}
    registered = service(request("POST", "/api/v1/users", account))
    assert registered["statusCode"] == 201, registered
    form = f"username=ada&password={PASSWORD.replace(' ', '+')}"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    token = service(request("POST", "/api/v1/auth/token", form, headers=headers))
    authorization = {"authorization": f"Bearer {json.loads(token['body'])['access_token']}"}
    wanted = {"name": "program", "scopes": ["profile:read"]}
    made = service(request("POST", "/api/v1/api-keys", wanted, headers=authorization))
    assert made["statusCode"] == 201, made
    return str(json.loads(made["body"])["key"])


def template_of(project: Path) -> Any:
    """Parsed; what CloudFormation would fill in is left out."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda *_: None)
    return yaml.load((project / "deploy/aws_lambda/template.yaml").read_text(), Loader)  # noqa: S506 (a safe one)


def template_variables(project: Path) -> dict[str, str]:
    """Those whose values stand in the template."""
    variables = template_of(project)["Globals"]["Function"]["Environment"]["Variables"]
    return {name: value for name, value in variables.items() if value is not None}


def purge_event(project: Path) -> Any:
    """What the schedule sends."""
    events = template_of(project)["Resources"]["Manage"]["Properties"]["Events"]
    return json.loads(events["Purge"]["Properties"]["Input"])


def own_variables(database: str, cache: str) -> dict[str, str]:
    """What the secret would hold."""
    return {
        "ENVIRONMENT": "production",
        "DATABASE_URL": database,
        "EMAIL_LINK_URL": "https://app.example.com",
        "EMAIL_SENDER": "shop@example.com",
        "EMAIL_SMTP_HOST": "127.0.0.1",
        "REDIS_URL": cache,
        "SECRET_KEY": "not a secret, but long enough to be one: 0123456789",
        "STORAGE_BUCKET": "nobody-asks-it",
    }


def ready_event() -> Any:
    """What deploy.sh asks a new version."""
    return json.loads((ROOT / "template/deploy/aws_lambda/ready.json").read_text())
