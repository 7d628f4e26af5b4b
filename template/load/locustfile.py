"""Load tests: `uv run locust --host http://127.0.0.1:8000`, within the bounds of pyproject.toml.

Every class in `scenarios/` takes part.
"""

import sys
from argparse import ArgumentParser
from importlib import import_module
from inspect import isclass
from pathlib import Path

from locust import User, events
from locust.env import Environment
from locust.runners import WorkerRunner

from load.limits import failures, refusal

for path in sorted((Path(__file__).parent / "scenarios").glob("[!_]*.py")):
    # Locust takes the classes that it finds among the names of this file.
    globals().update(
        (name, value)
        for name, value in vars(import_module(f"load.scenarios.{path.stem}")).items()
        if isclass(value) and issubclass(value, User) and not value.abstract
    )


@events.init_command_line_parser.add_listener
def add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--allow-host",
        default="",
        help="The name of a host other than this machine that load may be put on.",
    )
    parser.add_argument(
        "--max-failure-ratio",
        type=float,
        default=0.01,
        help="Above this share of failed requests the run has failed. Default: 0.01.",
    )
    parser.add_argument(
        "--max-p95-ms",
        type=float,
        default=1000,
        help="If a twentieth of the requests took longer, the run has failed. Default: 1000.",
    )


@events.init.add_listener
def refuse_other_hosts(environment: Environment, **_: object) -> None:
    options = environment.parsed_options
    assert options is not None
    if options.headless or options.autostart:
        if why := refusal(options.host, options.allow_host):
            sys.exit(why)
    else:
        # The host is named in the browser, later.
        events.test_start.add_listener(_refuse_in_the_browser)


def _refuse_in_the_browser(environment: Environment, **_: object) -> None:
    assert environment.parsed_options is not None
    assert environment.runner is not None
    if why := refusal(environment.host, environment.parsed_options.allow_host):
        sys.stderr.write(f"{why}\n")
        environment.runner.quit()


@events.quitting.add_listener
def judge(environment: Environment, **_: object) -> None:
    options, runner = environment.parsed_options, environment.runner
    assert options is not None
    if runner is None or isinstance(runner, WorkerRunner):
        return
    total = environment.stats.total
    problems = [
        *failures(
            requests=total.num_requests,
            failure_ratio=total.fail_ratio,
            p95_ms=total.get_response_time_percentile(0.95),
            max_failure_ratio=options.max_failure_ratio,
            max_p95_ms=options.max_p95_ms,
        ),
        *(f"a scenario broke off: {it['msg']}" for it in runner.exceptions.values()),
    ]
    for problem in problems:
        sys.stderr.write(f"FAILED: {problem}\n")
    environment.process_exit_code = 1 if problems else 0
