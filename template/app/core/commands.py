"""What management commands are made of. Requests import none of it."""

from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

import typer

from .feature import CommandRunner, State

Result = TypeVar("Result")


def run_job(context: typer.Context, job: Callable[[State], Awaitable[Result]]) -> Result:
    """What a management command does with the features open, as in a request."""
    runner: CommandRunner = context.obj
    return runner.run(job)


def run_worker(context: typer.Context, job: Callable[[State], Awaitable[Result]]) -> Result:
    """The same for one that goes on working until it is told to stop."""
    runner: CommandRunner = context.obj
    return runner.run(job, works=True)


def fail(message: str) -> NoReturn:
    """End a management command that cannot do what it was asked for, with status 1."""
    typer.echo(message, err=True)
    raise typer.Exit(1)
