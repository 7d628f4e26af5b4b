from typing import NoReturn

import typer


def fail(message: str) -> NoReturn:
    """End a management command that cannot do what it was asked for, with status 1."""
    typer.echo(message, err=True)
    raise typer.Exit(1)
