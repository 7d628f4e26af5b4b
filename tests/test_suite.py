"""Every pairwise row installs, checks, migrates, starts and passes its own tests on SQLite, and some on PostgreSQL."""

from pathlib import Path

import pytest

from harness.environments import Environments
from harness.projects import Renderer
from harness.report import RecordProperty, identify, record_times
from harness.rows import Row, pairwise_rows
from harness.servers import new_database
from harness.service import check_migrations, check_service

pytestmark = pytest.mark.suite

ROWS = pairwise_rows()
WITH_DATABASE = [row for row in ROWS if row.switches["database"]]


def how_much(row: Row) -> int:
    """The number of switches that are on."""
    return sum(value is True for value in row.switches.values())


# How a feature speaks to the database does not depend on its neighbours; that they get along is shown on SQLite. So
# each is on and off once here: everything, as little as can be, and what most people start with.
ON_POSTGRESQL = [
    max(WITH_DATABASE, key=how_much),
    min(WITH_DATABASE, key=how_much),
    next(row for row in ROWS if row.preset == "api"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row_on_a_bare_machine(
    row: Row,
    render: Renderer,
    environments: Environments,
    tmp_path: Path,
    record_property: RecordProperty,
) -> None:
    """Nothing but Python: where there is a database, it is SQLite."""
    identify(record_property, "suite on a bare machine", row)
    steps = environments.install(render.project(tmp_path / "project", **row.answers))
    steps.run("mypy", environments.mypy)
    steps.run("lint-imports", "uv run --no-sync lint-imports --no-cache")
    if row.switches["database"]:
        check_migrations(steps)
    check_service(steps)
    steps.run("pytest", "uv run --no-sync pytest -q -W error -p no:cacheprovider")
    record_times(record_property, steps)
    steps.check()


@pytest.mark.parametrize("row", ON_POSTGRESQL, ids=lambda row: row.id)
def test_row_on_postgresql(
    row: Row,
    render: Renderer,
    environments: Environments,
    postgres: str,
    tmp_path: Path,
    record_property: RecordProperty,
) -> None:
    identify(record_property, "suite on PostgreSQL", row)
    steps = environments.install(render.project(tmp_path / "project", **row.answers))
    with new_database(postgres) as url:
        check_migrations(steps, DATABASE_URL=url)
        steps.run("alembic", "uv run --no-sync alembic upgrade head", DATABASE_URL=url)
        check_service(steps, DATABASE_URL=url)
    with new_database(postgres) as url:
        command = "uv run --no-sync pytest -q -W error -p no:cacheprovider"
        steps.run("pytest on PostgreSQL", command, TEST_DATABASE_URL=url, CI="true")
    record_times(record_property, steps)
    steps.check()
