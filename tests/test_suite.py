"""Every pairwise row installs, checks, migrates, starts and passes its own tests on SQLite, and some on PostgreSQL.

Rows whose service is the same share a run: what is beside the service is taken away before, so that none of its checks
can depend on it.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import pytest

from harness.environments import Environments
from harness.projects import Renderer, read_tree, remove_beside
from harness.questionnaire import BESIDE_THE_SERVICE, Value
from harness.report import RecordProperty, identify, record_times
from harness.rows import Row, one_off, pairwise_rows, switches_of
from harness.servers import new_database
from harness.service import check_migrations, check_service

pytestmark = pytest.mark.suite


def service_of(row: Row) -> tuple[tuple[str, str], ...]:
    """The switches that make a difference to the service."""
    return tuple((name, str(value)) for name, value in row.switches.items() if name not in BESIDE_THE_SERVICE)


SERVICES = [list(rows) for _, rows in groupby(sorted(pairwise_rows(), key=service_of), key=service_of)]
WITH_DATABASE = [rows for rows in SERVICES if rows[0].switches["database"]]


def how_much(rows: Sequence[Row]) -> int:
    """The number of switches that are on."""
    return sum(value == "True" for _, value in service_of(rows[0]))


# How a feature speaks to the database does not depend on its neighbours; that they get along is shown on SQLite. So
# each is on and off once here: everything, as little as can be, and what most people start with.
CHOSEN = (
    max(WITH_DATABASE, key=how_much),
    min(WITH_DATABASE, key=how_much),
    next(rows for rows in SERVICES if any(row.preset == "api" for row in rows)),
)
ON_POSTGRESQL = [rows for rows in SERVICES if rows in CHOSEN]
BESIDE = [
    pytest.param(switches, id=f"{name}={value}".lower())
    for name, value, switches in one_off()
    if name in BESIDE_THE_SERVICE and switches["monitoring"]
]


def ids(rows: Sequence[Row]) -> str:
    """The first of them stands for all."""
    return min(rows, key=lambda row: row.number).id


@pytest.fixture
def project(rows: Sequence[Row], render: Renderer, tmp_path: Path) -> Path:
    """The service of these rows, with the answers of the first of them that are no switches."""
    first = min(rows, key=lambda row: row.number)
    return remove_beside(render.project(tmp_path / "project", **first.answers))


@pytest.mark.parametrize("rows", SERVICES, ids=ids)
def test_row_on_a_bare_machine(
    rows: Sequence[Row], project: Path, environments: Environments, record_property: RecordProperty
) -> None:
    """Nothing but Python: where there is a database, it is SQLite."""
    identify(record_property, "suite on a bare machine", *rows)
    steps = environments.install(project)
    steps.run("mypy", environments.mypy)
    steps.run("lint-imports", "uv run --no-sync lint-imports --no-cache")
    if rows[0].switches["database"]:
        check_migrations(steps)
    check_service(steps)
    steps.run("pytest", "uv run --no-sync pytest -q -W error -p no:cacheprovider")
    record_times(record_property, steps)
    steps.check()


@pytest.mark.parametrize("rows", ON_POSTGRESQL, ids=ids)
def test_row_on_postgresql(
    rows: Sequence[Row],
    project: Path,
    environments: Environments,
    postgres: str,
    record_property: RecordProperty,
) -> None:
    identify(record_property, "suite on PostgreSQL", *rows)
    steps = environments.install(project)
    with new_database(postgres) as url:
        check_migrations(steps, DATABASE_URL=url)
        steps.run("alembic", "uv run --no-sync alembic upgrade head", DATABASE_URL=url)
        check_service(steps, DATABASE_URL=url)
    with new_database(postgres) as url:
        command = "uv run --no-sync pytest -q -W error -p no:cacheprovider"
        steps.run("pytest on PostgreSQL", command, TEST_DATABASE_URL=url, CI="true")
    record_times(record_property, steps)
    steps.check()


@pytest.mark.render
@pytest.mark.parametrize("switches", BESIDE)
def test_what_is_beside_the_service_changes_nothing_of_it(
    switches: dict[str, Value], render: Renderer, tmp_path: Path
) -> None:
    everything = switches_of({"preset": "everything"})
    with_it, without = (
        read_tree(remove_beside(render.project(tmp_path / name, preset="custom", **answers)))
        for name, answers in (("with", everything), ("without", switches))
    )
    assert with_it == without
