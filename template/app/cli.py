"""Management commands: `python -m app.cli --help`."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, Any, TypeVar, cast

import typer

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.lifespan import open_features, supervise
from app.bootstrap.settings import Settings, load_settings
from app.bootstrap.variables import ConfigurationError
from app.core.errors import DomainError
from app.core.feature import Feature, Process, State
from app.core.variables import variables
from app.infrastructure.logging.setup import configure_logging
from app.infrastructure.serving.supervisor import inherited_sockets
from app.infrastructure.serving.workers import workers_allowed

Result = TypeVar("Result")


class Runner:
    """Opens the service's features around what a command does."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def run(self, job: Callable[[State], Awaitable[Result]], *, works: bool = False) -> Result:
        async def with_features() -> Result:
            async with open_features(enabled_features(self.settings), works=works) as state:
                return await job(state)

        return asyncio.run(with_features())


cli = typer.Typer(help="Manage the service.", no_args_is_help=True, add_completion=False)


@cli.command()
def serve(
    context: typer.Context,
    host: str | None = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535)] = None,
) -> None:
    """Serve HTTP. WEB_CONCURRENCY sets the workers, FORWARDED_ALLOW_IPS the trusted proxies.

    Without the former, a deployed service has as many as its container has CPUs. Sockets that a
    supervisor hands on (LISTEN_FDS) are served in place of a host and port.
    """
    settings = _settings(context)
    everywhere = "0.0.0.0" if settings.environment.is_deployed else "127.0.0.1"  # noqa: S104
    _serve(
        host or everywhere,
        port or settings.port,
        enabled_features(settings),
        # None: uvicorn reads the variable.
        workers=None if "WEB_CONCURRENCY" in os.environ else _workers(settings),
        # A worker that is to be replaced needs somebody who does it.
        is_supervised=settings.serve.max_requests > 0,
    )


@cli.command(name="settings")
def show_settings(context: typer.Context) -> None:
    """List every variable the service reads, with its value; secrets are masked."""
    for name, path in variables(Settings):
        value: Any = _settings(context)
        for part in path:
            value = getattr(value, part)
        if isinstance(value, tuple):
            value = ",".join(value)
        # A secret masks itself.
        typer.echo(f"{name}={'' if value is None else value}")


@cli.command()
def routes(context: typer.Context) -> None:
    """List the routes of the API."""
    for path, operations in _openapi(context)["paths"].items():
        for method, operation in operations.items():
            typer.echo(f"{method.upper():7}{path}  {operation['operationId']}")


@cli.command()
def openapi(context: typer.Context) -> None:
    """Print the OpenAPI document, for client generators."""
    typer.echo(json.dumps(_openapi(context), indent=2))


def _settings(context: typer.Context) -> Settings:
    return cast("Runner", context.obj).settings


def _openapi(context: typer.Context) -> dict[str, Any]:
    settings = _settings(context)
    return create_app(settings, enabled_features(settings)).openapi()


def _workers(settings: Settings) -> int:
    return workers_allowed() if settings.environment.is_deployed else 1


def _serve(
    host: str,
    port: int,
    features: Sequence[Feature],
    *,
    workers: int | None,
    is_supervised: bool,
) -> None:
    sockets = inherited_sockets()
    if not sockets:
        _require_free(host, port)
    from app.infrastructure.serving.server import run  # noqa: PLC0415 (the others do without)

    options = {
        name: value for feature in features for name, value in feature.server_options.items()
    }
    run(
        "app.main:app",
        supervised=partial(supervise, features, Process.SERVICE),
        is_supervised=is_supervised,
        sockets=sockets,
        workers=workers,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        **options,
    )


def _require_free(host: str, port: int) -> None:
    """Asked before the workers are: each would fail with a traceback of its own."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            typer.echo(
                f"Cannot listen on {host}:{port}: {exc.strerror}. Stop what is using the port, or "
                "choose another one with PORT or --port.",
                err=True,
            )
            raise typer.Exit(1) from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command, of the process's own arguments by default, and exit."""
    try:
        settings = load_settings()
        configure_logging(settings.log, deployed=settings.environment.is_deployed)
        # Not into ours: it may be run again in the same process.
        commands = typer.Typer()
        commands.add_typer(cli)
        for feature in enabled_features(settings):
            for name, group in feature.commands.items():
                ready = group if isinstance(group, typer.Typer) else group()
                commands.add_typer(ready, name=name)
        commands(arguments, obj=Runner(settings))
    except (ConfigurationError, DomainError) as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    main()
