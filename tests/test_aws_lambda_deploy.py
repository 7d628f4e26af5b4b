"""The stack is made and the scripts run, by the AWS CLI and SAM against moto, with functions that really run."""

import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from harness.commands import run
from harness.lambda_account import FOLDER, FUNCTION, Account, lambda_account, suit_this_machine
from harness.projects import Renderer, add_own_feature
from harness.servers import new_database

pytestmark = [pytest.mark.deploy, pytest.mark.xdist_group("aws_lambda")]

# The smallest that has a database, and reads its secrets itself.
ANSWERS = {
    "preset": "minimal",
    "deployment": "aws_lambda",
    "database": True,
    "secrets": True,
    "python_version": f"3.{sys.version_info.minor}",
}
MIGRATION = '''"""{table} and what it needs."""

from alembic import op

revision, down_revision, branch_labels, depends_on = {revision!r}, {before!r}, None, None


def upgrade() -> None:
    op.execute("CREATE TABLE {table} (id int)")
    op.execute("SELECT 1 / {divisor}")
'''
# A feature of the owner's that lacks something.
COLD = """
from app.core.errors import UnavailableError
from app.core.feature import Feature, ReadinessCheck


async def check(_) -> None:
    raise UnavailableError("the kettle is cold", retry_after_seconds=1)


FEATURE = Feature(name="kettle", readiness=(ReadinessCheck(name="kettle", check=check),))
"""


@pytest.fixture(scope="module")
def database(postgres: str) -> Iterator[str]:
    with new_database(postgres) as url:
        yield url


@pytest.fixture(scope="module")
def cloud(render: Renderer, shared: Path, database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Where nothing is deployed yet; the address of the database is in a secret."""
    folder = tmp_path_factory.mktemp("lambda")
    project = render.project(folder / "project", **ANSWERS)
    suit_this_machine(project)
    migrate(project, "kettle", "0001", None, divisor=1)
    with lambda_account(project, folder, shared) as made:
        (folder / "secret.json").write_text(json.dumps({"DATABASE_URL": database}))
        made.aws(f"secretsmanager create-secret --name shop --secret-string file://{folder}/secret.json")
        yield made


def migrate(project: Path, table: str, revision: str, before: str | None, divisor: int) -> Path:
    """Add a migration that makes a table; it fails where it divides by zero."""
    path = project / f"migrations/versions/{revision}_{table}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(MIGRATION.format(table=table, revision=revision, before=before, divisor=divisor))
    return path


def tables(database: str) -> set[str]:
    """That are there."""
    with psycopg.connect(database) as connection:
        return {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def versions(cloud: Account) -> list[str]:
    """That were published."""
    found = cloud.aws(f"lambda list-versions-by-function --function-name {FUNCTION}")["Versions"]
    return [it["Version"] for it in found if it["Version"] != "$LATEST"]


def set_alarm(cloud: Account, state: str) -> None:
    """As CloudWatch does."""
    options = f"--alarm-name my-service-staging-failures --state-value {state} --state-reason test"
    outcome = run(f"aws cloudwatch set-alarm-state {options}", cloud.project, cloud.variables)
    assert outcome.ok, outcome


def test_life(cloud: Account, database: str) -> None:
    """Each step starts from where the last one left it, and each deployment costs ten seconds."""
    outcome = cloud.script("rollback.sh staging")
    assert outcome.status == 1
    assert "Function not found" in outcome.output
    comes_into_service(cloud, database)
    what_fails_changes_nothing(cloud, database)
    goes_over_after_a_trial(cloud)
    goes_back(cloud)
    goes_over_at_once(cloud)


def comes_into_service(cloud: Account, database: str) -> None:
    """The first version."""
    secret = cloud.aws("secretsmanager describe-secret --secret-id shop")["ARN"]
    outcome = cloud.script(f"deploy.sh staging SecretArn={secret}", RELEASE="first")
    assert outcome.ok, outcome
    assert outcome.output.endswith("Version 1 answers\n")
    (stack,) = cloud.aws("cloudformation describe-stacks --stack-name my-service-staging")["Stacks"]
    (gateway,) = cloud.aws("apigatewayv2 get-apis")["Items"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert [it["OutputValue"] for it in stack["Outputs"]] == [gateway["ApiEndpoint"]]
    assert tables(database) == {"alembic_version", "kettle"}
    assert cloud.alias() == ("1", {})
    assert cloud.served() == ("1", "first")

    outcome = cloud.script("rollback.sh staging")
    assert outcome.status == 1
    assert outcome.output.endswith("There is no version before 1\n")


def what_fails_changes_nothing(cloud: Account, database: str) -> None:
    """A version that cannot migrate, one that is not ready, and somebody who may not see what is live."""
    migration = migrate(cloud.project, "pot", "0002", "0001", divisor=0)
    outcome = cloud.script("deploy.sh staging", RELEASE="unmigratable")
    migration.unlink()
    assert outcome.status == 1
    assert "division by zero" in outcome.output.partition("\nThe migration failed: ")[2]
    assert tables(database) == {"alembic_version", "kettle"}
    assert versions(cloud) == ["1"]
    assert (cloud.alias(), cloud.served()) == (("1", {}), ("1", "first"))

    custom = cloud.project / "app/custom.py"
    text = custom.read_text()
    add_own_feature(cloud.project, "kettle", COLD)
    outcome = cloud.script("deploy.sh staging", RELEASE="cold")
    custom.write_text(text)
    assert outcome.status == 1
    assert "the kettle is cold" in outcome.output.partition("Asking version 2 whether it is ready\nIt is not: ")[2]
    assert (cloud.alias(), cloud.served()) == (("1", {}), ("1", "first"))

    # It must not be taken for the first deployment, whose code answers as soon as the stack is there.
    outcome = cloud.script("deploy.sh staging", RELEASE="blind", AWS_ENDPOINT_URL_LAMBDA="http://127.0.0.1:9")
    assert outcome.status == 1
    assert "Could not connect to the endpoint" in outcome.output
    assert (cloud.alias(), cloud.served()) == (("1", {}), ("1", "first"))


def goes_over_after_a_trial(cloud: Account) -> None:
    """The second version passes, and the third does not."""
    with cloud.trying_out("deploy.sh staging", RELEASE="second") as script:
        assert cloud.alias() == ("1", {"3": 0.1})
        assert Counter(cloud.served() for _ in range(10)) == {("1", "first"): 9, ("3", "second"): 1}
    assert script.result().ok, script.result()
    assert (cloud.alias(), cloud.served()) == (("3", {}), ("3", "second"))

    with cloud.trying_out("deploy.sh staging", RELEASE="third") as script:
        assert cloud.alias() == ("3", {"4": 0.1})
        set_alarm(cloud, "ALARM")
    set_alarm(cloud, "OK")
    assert script.result().status == 1
    assert script.result().output.endswith("There are failures\nAll requests go to version 3, as before\n")
    assert (cloud.alias(), cloud.served()) == (("3", {}), ("3", "second"))


def goes_back(cloud: Account) -> None:
    """To what answered before, which the version 2 never did; or from what is tried out."""
    outcome = cloud.script("rollback.sh staging")
    assert (outcome.status, outcome.output) == (0, "Version 1 answers\n")
    assert (cloud.alias(), cloud.served()) == (("1", {}), ("1", "first"))
    outcome = cloud.script("rollback.sh staging")
    assert (outcome.status, outcome.output) == (1, "There is no version before 1\n")

    with cloud.trying_out("deploy.sh staging", RELEASE="fourth") as script:
        assert cloud.alias() == ("1", {"5": 0.1})
        outcome = cloud.script("rollback.sh staging")
        assert (outcome.status, outcome.output) == (0, "Version 1 answers\n")
        assert cloud.alias() == ("1", {})
    assert script.result().status == 1
    assert script.result().output.endswith("Version 5 was taken back meanwhile\n")
    assert cloud.alias() == ("1", {})


def goes_over_at_once(cloud: Account) -> None:
    """Where the present version is what fails, the alarm does not hold up the next one."""
    set_alarm(cloud, "ALARM")
    outcome = cloud.script("deploy.sh staging", RELEASE="fifth", CANARY_SECONDS="0")
    assert outcome.ok, outcome
    assert (cloud.alias(), cloud.served()) == (("6", {}), ("6", "fifth"))


@pytest.mark.parametrize("script", ["deploy.sh", "rollback.sh"])
@pytest.mark.parametrize("environment", ["", " development"])
def test_environment_is_one_of_two(render: Renderer, script: str, environment: str) -> None:
    outcome = run(f"{FOLDER}/{script}{environment}", render(**ANSWERS))
    assert (outcome.status, outcome.output[:6]) == (2, "usage:")


@pytest.mark.parametrize("seconds", ["long", "-1", "08"])
def test_canary_lasts_seconds(render: Renderer, seconds: str) -> None:
    outcome = run(f"{FOLDER}/deploy.sh staging", render(**ANSWERS), {"CANARY_SECONDS": seconds})
    assert (outcome.status, outcome.output) == (2, f"CANARY_SECONDS is a number of seconds, not {seconds}\n")


@pytest.mark.parametrize(
    ("script", "tool"), [("deploy.sh", "aws"), ("deploy.sh", "sam"), ("deploy.sh", "uv"), ("rollback.sh", "aws")]
)
def test_tool_that_is_missing_is_named(render: Renderer, tmp_path: Path, script: str, tool: str) -> None:
    present = {"bash", "dirname", "aws", "sam", "uv"} - {tool}
    for name in present:
        (tmp_path / name).symlink_to(str(shutil.which(name if name in {"bash", "dirname"} else "false")))
    variables = {"PATH": str(tmp_path), "RELEASE": "any"}
    outcome = run(f"{FOLDER}/{script} staging", render(**ANSWERS), variables)
    assert outcome.status == 1
    assert outcome.output == f"{tool} is missing: docs/deploy/aws_lambda.md says what is needed\n"
