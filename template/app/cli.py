"""Management commands: `python -m app.cli --help`."""

import asyncio
import json
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, TypeVar, cast

import typer

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.lifespan import open_features
from app.bootstrap.settings import Settings, load_settings
from app.bootstrap.variables import ConfigurationError, variables
from app.core.errors import DomainError
from app.core.feature import State
from app.infrastructure.logging.setup import configure_logging

Result = TypeVar("Result")


class Runner:
    """Opens the service's features around what a command does."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def run(self, job: Callable[[State], Awaitable[Result]]) -> Result:
        async def with_features() -> Result:
            async with open_features(enabled_features(self.settings)) as state:
                return await job(state)

        return asyncio.run(with_features())


cli = typer.Typer(help="Manage the service.", no_args_is_help=True, add_completion=False)


@cli.command()
def serve(
    context: typer.Context,
    host: str | None = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535)] = None,
) -> None:
    """Serve HTTP. WEB_CONCURRENCY sets the workers, FORWARDED_ALLOW_IPS the trusted proxies."""
    settings = _settings(context)
    everywhere = "0.0.0.0" if settings.environment.is_deployed else "127.0.0.1"  # noqa: S104
    options = {
        name: value
        for feature in enabled_features(settings)
        for name, value in feature.server_options.items()
    }
    _serve(host or everywhere, port or settings.port, options)


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


def _serve(host: str, port: int, options: Mapping[str, Any]) -> None:
    # Asked before the workers are: each would fail with a traceback of its own.
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
    import uvicorn  # noqa: PLC0415 (the other commands do without)

    uvicorn.run(
        "app.main:app",
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        # Below the 30 seconds that platforms wait between SIGTERM and SIGKILL.
        timeout_graceful_shutdown=25,
        # A worker that says nothing for so long is killed. On a small or busy machine it takes that
        # long until it begins to speak.
        timeout_worker_healthcheck=60,
        **options,
    )


def main() -> None:
    try:
        settings = load_settings()
        configure_logging(settings.log, deployed=settings.environment.is_deployed)
        for feature in enabled_features(settings):
            for name, group in feature.commands.items():
                cli.add_typer(group, name=name)
        cli(obj=Runner(settings))
    except (ConfigurationError, DomainError) as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    main()
