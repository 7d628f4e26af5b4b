"""The stacks are made and the scripts run, by the AWS CLI against moto; harness/moto_server.py adds what it lacks."""

import http.server
import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from artefacts.aws_ecs import FOLDER, container
from harness.aws import HARNESS, account, tools, warm_cli
from harness.commands import Outcome, run
from harness.environments import Environments
from harness.projects import Renderer
from harness.servers import cluster, free_port, missing, running

pytestmark = [pytest.mark.deploy, pytest.mark.xdist_group("aws_ecs")]

REPOSITORY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/my-service"
# Everything that keeps something, and as few processes as that takes.
ANSWERS = {"preset": "saas", "docker": True, "aws_ecs": True, "events": False, "broker": "rabbitmq"}
PROCESSES = ["worker", "beat", "web"]
MAIL_SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mail-abcdef"
SETTINGS = {
    "DomainName": "shop.example.com",
    "MailSecretArn": MAIL_SECRET,
    "MailSender": "My Shop <shop@example.com>",
    "MailLinkUrl": "https://shop.example.com",
}


@dataclass
class Cloud:
    """An account in which the environment `staging` of a project was set up."""

    project: Path
    journal: Path
    variables: Mapping[str, str]
    is_well: threading.Event

    def script(self, line: str) -> Outcome:
        """Run one of the project's scripts."""
        return run(f"{FOLDER}/{line}", self.project, self.variables)

    def aws(self, line: str) -> Any:
        """Ask the AWS CLI."""
        outcome = run(f"aws {line} --output json", self.project, self.variables)
        assert outcome.ok, outcome
        return json.loads(outcome.output)

    def since(self, before: int) -> list[dict[str, Any]]:
        """What was done since the journal had `before` entries."""
        return self.entries()[before:]

    def entries(self) -> list[dict[str, Any]]:
        """What was done so far."""
        return [json.loads(line) for line in self.journal.read_text().splitlines()] if self.journal.exists() else []

    def deployed(self) -> dict[str, str]:
        """The tag of the image that each service runs."""
        services = self.aws(f"ecs describe-services --cluster my-service-staging --services {' '.join(PROCESSES)}")
        return {it["serviceName"]: self.tag(it["taskDefinition"]) for it in services["services"]}

    def tag(self, definition: str) -> str:
        """Of a task definition's image."""
        found = self.aws(f"ecs describe-task-definition --task-definition {definition}")["taskDefinition"]
        return str(found["containerDefinitions"][0]["image"].removeprefix(f"{REPOSITORY}:"))


@contextmanager
def answering(is_well: threading.Event) -> Iterator[str]:
    """The address of something that says it is ready, or not."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if is_well.is_set() else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def cloud(render: Renderer, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Set up with `setup.sh`."""
    if shutil.which("curl") is None:
        missing("curl is needed: install it (Debian: apt-get install curl)")
    folder = tmp_path_factory.mktemp("ecs")
    project = shutil.copytree(render(**ANSWERS), folder / "project")
    port, journal, log, is_well = free_port(), folder / "journal", folder / "log", threading.Event()
    is_well.set()
    with answering(is_well) as address:
        variables = {
            **account(port),
            "PATH": f"{folder / 'warm'}:{os.environ['PATH']}",
            "POLL_SECONDS": "0",
            "SMOKE_URL": f"{address}/health/ready",
        }
        python = tools(shared) / "bin" / "python"
        server = [str(python), str(HARNESS / "moto_server.py"), str(port), str(journal)]
        with running(server, folder, log, port), warm_cli(python, folder / "warm"):
            made = Cloud(project, journal, variables, is_well)
            certificate = made.aws("acm request-certificate --domain-name shop.example.com")["CertificateArn"]
            configure(project, {**SETTINGS, "CertificateArn": certificate})
            outcome = made.script("setup.sh staging")
            assert outcome.ok, f"{outcome}\n{log.read_text()[-4000:]}"
            yield made


def configure(project: Path, settings: Mapping[str, str]) -> None:
    """Fill in what the owner has to."""
    for name in ("staging.conf", "production.conf"):
        path = project / FOLDER / name
        text = path.read_text()
        for key, value in settings.items():
            assert f"\n{key}=\n" in text
            text = text.replace(f"\n{key}=\n", f"\n{key}={value}\n")
        path.write_text(text)


def image(tag: str) -> str:
    """As it is pushed."""
    return f"{REPOSITORY}:{tag}"


def test_stacks_are_complete(cloud: Cloud) -> None:
    stacks = {it["StackName"]: it["StackStatus"] for it in cloud.aws("cloudformation describe-stacks")["Stacks"]}
    for name in ("registry", "staging-network", "staging-data", "staging-cluster"):
        assert stacks[f"my-service-{name}"] == "CREATE_COMPLETE"
    found = cloud.aws("secretsmanager batch-get-secret-value --filters Key=name,Values=my-service-staging-data")
    values = {it["Name"].split("-data-")[1].split("-")[0]: it["SecretString"] for it in found["SecretValues"]}
    assert values["RedisUrl"] == f"rediss://:{values['RedisToken']}@master.redis.cache.amazonaws.com:6379/0"
    assert values["BrokerUrl"] == f"amqps://app:{values['BrokerPassword']}@b-1.mq.eu-central-1.amazonaws.com:5671//"
    assert len(values["SecretKey"]) == 64
    assert json.loads(values["DatabaseSecret"]).keys() == {"username", "password"}


def test_life(cloud: Cloud) -> None:
    """One after the other: each step starts from where the last one left it, and each costs seconds."""
    # The first version.
    outcome = cloud.script(f"deploy.sh staging {image('1')}")
    assert outcome.ok, outcome
    assert "ran alembic upgrade head" in outcome.output
    first, *services = cloud.entries()
    assert (first["task"], first["image"], first["launch_type"]) == (
        ["alembic", "upgrade", "head"],
        image("1"),
        "FARGATE",
    )
    assert first["network"]["assignPublicIp"] == "DISABLED"
    assert [it["service"] for it in services] == PROCESSES
    assert cloud.deployed() == dict.fromkeys(PROCESSES, "1")

    # One whose migration fails leaves what runs alone.
    before = len(cloud.entries())
    outcome = cloud.script(f"deploy.sh staging {image('unmigratable')}")
    assert not outcome.ok
    assert "The migration failed, and what runs was not changed." in outcome.output
    assert [it.get("task") for it in cloud.since(before)] == [["alembic", "upgrade", "head"]]
    assert cloud.deployed() == dict.fromkeys(PROCESSES, "1")

    # The second version, which does not answer.
    before = len(cloud.entries())
    cloud.is_well.clear()
    outcome = run_without_patience(cloud, f"deploy.sh staging {image('2')}")
    cloud.is_well.set()
    assert not outcome.ok
    assert "2 is deployed and does not answer." in outcome.output
    assert [it["service"] for it in cloud.since(before)[1:]] == [*PROCESSES, *PROCESSES[::-1]]
    assert cloud.deployed() == dict.fromkeys(PROCESSES, "1")

    # It does, and proves bad later.
    outcome = cloud.script(f"deploy.sh staging {image('2')}")
    assert outcome.ok, outcome
    assert cloud.deployed() == dict.fromkeys(PROCESSES, "2")
    before = len(cloud.entries())
    outcome = cloud.script("rollback.sh staging")
    assert outcome.ok, outcome
    assert [it["service"] for it in cloud.since(before)] == PROCESSES[::-1]
    assert cloud.deployed() == dict.fromkeys(PROCESSES, "1")

    # One that does not come up.
    outcome = cloud.script(f"deploy.sh staging {image('unhealthy')}")
    assert not outcome.ok
    assert "worker did not come up" in outcome.output
    assert cloud.deployed() == dict.fromkeys(PROCESSES, "1")


def run_without_patience(cloud: Cloud, line: str) -> Outcome:
    """A 404 is asked for again by curl; not for a minute here."""
    folder = cloud.project.parent / "impatient"
    folder.mkdir(exist_ok=True)
    program = folder / "curl"
    program.write_text(f'#!/bin/sh\nexec {shutil.which("curl")} "$@" --retry 1 --retry-delay 1\n')
    program.chmod(0o755)
    variables = {**cloud.variables, "PATH": f"{folder}:{cloud.variables['PATH']}"}
    return run(f"{FOLDER}/{line}", cloud.project, variables)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("deploy.sh", "usage:"),
        ("deploy.sh staging", "usage:"),
        ("deploy.sh test image:1", "ENVIRONMENT must be staging or production, not 'test'."),
        ("deploy.sh staging shop:latest", "IMAGE must not be 'latest'"),
        ("deploy.sh staging localhost:5000/shop", "IMAGE must have a tag or a digest"),
        ("deploy.sh production shop:1", "has setup.sh production been run?"),
        ("rollback.sh", "usage:"),
        ("rollback.sh production", "Nothing is deployed in production."),
        ("run.sh staging", "usage:"),
    ],
)
def test_mistakes_are_told(cloud: Cloud, line: str, message: str) -> None:
    outcome = cloud.script(line)
    assert not outcome.ok
    assert message in outcome.output


def test_settings_that_lack_are_named(render: Renderer) -> None:
    outcome = run(f"{FOLDER}/setup.sh staging", render(**ANSWERS))
    assert not outcome.ok
    assert "staging.conf: DomainName CertificateArn MailSecretArn MailSender MailLinkUrl" in outcome.output


class TestContainer:
    """The service in production, with what the template gives it."""

    def test_settings_are_accepted(self, render: Renderer, environments: Environments, tmp_path: Path) -> None:
        project = render.project(tmp_path / "project", **ANSWERS)
        environments.install(project)
        given = variables(project, "postgresql://app@127.0.0.1:5432/app?sslmode=require")
        accepted = settings(project, given)
        assert accepted.ok, accepted
        for name in (
            "SECRET_KEY",
            "DATABASE_URL",
            "REDIS_URL",
            "CELERY_BROKER_URL",
            "EMAIL_SMTP_HOST",
            "STORAGE_BUCKET",
        ):
            refused = settings(project, {key: value for key, value in given.items() if key != name})
            assert not refused.ok
            assert name in refused.output

        with cluster() as server:
            address = server.url.replace("test@", "app@")
            require_passwords(server.url, address)
            given = {**variables(project, address), "PGPASSWORD": "wrong"}
            # The driver takes the password from PGPASSWORD, and not from the address.
            assert not run("uv run --no-sync alembic upgrade head", project, given).ok
            outcome = run("uv run --no-sync alembic upgrade head", project, {**given, "PGPASSWORD": "right"})
            assert outcome.ok, outcome


def variables(project: Path, address: str) -> dict[str, str]:
    """The names are the template's, the values such as they will be."""
    values = {
        "CELERY_BROKER_URL": "amqps://app:secret@b-1.mq.eu-central-1.amazonaws.com:5671//",
        "DATABASE_URL": address,
        "EMAIL_LINK_URL": "https://shop.example.com",
        "EMAIL_SENDER": "My Shop <shop@example.com>",
        "EMAIL_SMTP_HOST": "email-smtp.eu-central-1.amazonaws.com",
        "ENVIRONMENT": "production",
        "FORWARDED_ALLOW_IPS": "10.20.0.0/24,10.20.1.0/24",
        "REDIS_URL": "rediss://:secret@master.redis.cache.amazonaws.com:6379/0",
        "SECRET_KEY": "x" * 64,
        "STORAGE_BUCKET": "my-bucket",
        "STORAGE_REGION": "eu-central-1",
        "TRUSTED_HOSTS": "shop.example.com",
        "WEB_CONCURRENCY": "1",
    }
    given = container(project)
    names = [it["Name"] for it in [*given["Environment"], *given["Secrets"]]]
    return {name: values.get(name, "secret") for name in names}


def settings(project: Path, given: Mapping[str, str]) -> Outcome:
    """Whether the service starts with them."""
    return run("uv run --no-sync python -m app.cli settings", project, given)


def require_passwords(server: str, address: str) -> None:
    """Of a user `app`, whom the server then does not trust as it does the others."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE ROLE app LOGIN SUPERUSER PASSWORD 'right'")
        row = connection.execute("SHOW hba_file").fetchone()
        assert row is not None
        rules = Path(row[0])
        rules.write_text(f"host all app 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        connection.execute("SELECT pg_reload_conf()")
    # It reads them a moment later.
    while is_open(address):
        pass


def is_open(address: str) -> bool:
    """Whether one gets in without a password."""
    try:
        psycopg.connect(address).close()
    except psycopg.OperationalError:
        return False
    return True
