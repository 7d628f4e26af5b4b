"""Measure the rendered default service: `make benchmark`, or `python benchmarks/run.py --help`.

Everything stays on the loopback address, is bounded in number and time, and is stopped at the end.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

# The tests know how to run PostgreSQL and a project.
sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

import cold_start
import load
import observing
import project
import report
import runtime
import servers
from harness.commands import run
from harness.servers import MISSING, new_database, postgresql, postgresql_programs, redis

ROOT = Path(__file__).resolve().parents[1]
BARE = "bare FastAPI response"


FULL = load.Effort(rounds=41, requests=250)
QUICK = load.Effort(rounds=5, requests=250)
REPEATS = 5


def targets(service: servers.Server, reference: servers.Server, many: servers.Server, token: str) -> list[load.Target]:
    """Everything that is asked for in each round."""

    def ask(name: str, of: servers.Server, path: str, **options: Any) -> load.Target:
        return load.Target(name, of.port, path, of.pid, **options)

    api, page, scroll = "/api/v1", "page?items_per_page=20", "scroll?limit=20"
    books = f"{api}/books?items_per_page=20"
    user, gzip = (f"Authorization: Bearer {token}",), "Accept-Encoding: gzip"
    return [
        ask(BARE, reference, "/bare"),
        ask("health", service, "/health/live"),
        ask("current user", service, f"{api}/users/me", headers=user),
        ask("current user, asyncpg", reference, "/me", headers=user),
        ask("page of 20 with total", service, books, headers=user),
        ask("page of 20 with total, gzip", service, books, headers=(*user, gzip)),
        ask("page of 20 with total, asyncpg", reference, f"/{page}", headers=user),
        ask("keyset page of 20", service, f"{api}/books/{scroll}", headers=user),
        ask("keyset page of 20, asyncpg", reference, f"/{scroll}", headers=user),
        ask("first of 200 routes", many, f"{api}/module00/action0"),
        ask("last of 200 routes", many, f"{api}/module19/action9"),
    ]


def rows_of(rounds: Sequence[Mapping[str, float]]) -> list[report.Row]:
    """What is compared with what, and the targets of the project."""
    rows = [
        report.row(rounds, "health", BARE, 1.3),
        report.row(rounds, "current user", BARE, 7),
        report.row(rounds, "page of 20 with total", BARE, 12),
        report.row(rounds, "keyset page of 20", BARE, 9),
        report.row(rounds, "last of 200 routes", "first of 200 routes", 1.5),
        report.row(rounds, "first of 200 routes", BARE),
        report.row(rounds, "page of 20 with total, gzip", BARE),
    ]
    for name in ("current user", "page of 20 with total", "keyset page of 20"):
        rows.append(report.row(rounds, f"{name}, asyncpg", BARE))
        rows.append(report.row(rounds, name, f"{name}, asyncpg"))
    return rows


def measure(
    folder: Path, variables: Mapping[str, str], database: str, effort: load.Effort
) -> tuple[list[dict[str, float]], str]:
    """The default service beside FastAPI alone; and a token of its user."""
    with ExitStack() as stack:
        service = stack.enter_context(servers.service(folder, variables))
        _, token = servers.seed(service, database)
        reference = stack.enter_context(servers.beside("reference_app:app", folder, variables))
        many = stack.enter_context(servers.beside("many_routes:app", folder, variables))
        return load.in_turns(targets(service, reference, many, token), effort), token


def prepare(folder: Path, database: str, **more: str) -> tuple[str, dict[str, str]]:
    """Install a project and make its tables; the database and the variables of production."""
    project.install(folder)
    variables = {**servers.production(database), **more}
    project.must(run("uv run alembic upgrade head", folder, variables))
    return database, variables


def benchmark(template: Path, effort: load.Effort, *, with_suite: bool) -> tuple[list[report.Row], dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="slipway-benchmark-") as name, ExitStack() as stack:
        copy = project.snapshot(template, Path(name))
        folder, rendering = project.render(copy, Path(name), REPEATS, preset="api")
        other: dict[str, Any] = {"render": asdict(rendering)}
        server = stack.enter_context(postgresql())
        database, variables = prepare(folder, stack.enter_context(new_database(server)))
        rounds, token = measure(folder, variables, database, effort)
        observed, _ = project.render(copy, Path(name), preset="api", **dict.fromkeys(observing.FEATURES, True))
        rows = rows_of(rounds) + observing.measure(folder, observed, variables, token, effort)
        whole, _ = project.render(copy, Path(name), preset="saas")
        address = stack.enter_context(redis())
        _, with_redis = prepare(whole, stack.enter_context(new_database(server)), REDIS_URL=address)
        rows += runtime.measure(whole, with_redis, effort)
        imports = project.import_seconds(folder, variables, REPEATS)
        other["import"] = {key: statistics.median(value) for key, value in imports.items()}
        ratios = map(float.__truediv__, imports["app.main"], imports["fastapi"])
        other["import"]["ratio"] = statistics.median(ratios)
        other["cold start"] = {preset: asdict(it) for preset, it in cold_start.measure(copy, Path(name)).items()}
        if with_suite:
            spent, summary = project.suite(folder)
            other["suite"] = {**asdict(spent), "summary": summary}
    return rows, other


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a first look")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    parser.add_argument("--page", type=Path, help="put the figures into this page, in place of the last ones")
    parser.add_argument("--template", type=Path, default=ROOT, help="another checkout to measure")
    parser.add_argument("--no-suite", action="store_true", help="leave the project's own tests out")
    options = parser.parse_args()
    if postgresql_programs() is None and "TEST_DATABASE_URL" not in os.environ:
        sys.exit(MISSING)
    effort = QUICK if options.quick else FULL
    rows, other = benchmark(options.template, effort, with_suite=not options.no_suite)
    print(report.table(rows))
    print(report.summary(other))
    if options.json:
        report.write(options.json, rows, other)
    if options.page:
        report.put_into(options.page, rows, other)


if __name__ == "__main__":
    main()
