"""Runs management commands: `app.lambda_manage.handler` is what AWS Lambda calls.

For whom there is no machine to log in to: `{"command": "settings"}` does what
`python -m app.cli settings` does, and answers what that prints.
"""

import os
import shlex
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import TextIO

# Boxes and colours are for a terminal, and the package has nothing to make them with.
os.environ.setdefault("TYPER_USE_RICH", "false")

from app.cli import main


class CommandFailedError(Exception):
    """The command ended with another status than 0; the text is what it has printed."""


class _Copy(StringIO):
    """Keeps what is printed, which goes to the log as well."""

    def __init__(self, log: TextIO) -> None:
        super().__init__()
        self._log = log

    def write(self, text: str) -> int:
        self._log.write(text)
        return super().write(text)


def handler(event: Mapping[str, str], _: object) -> dict[str, str]:
    printed = _Copy(sys.stdout)
    with redirect_stdout(printed), redirect_stderr(printed):
        reason = _run(shlex.split(event["command"]))
    output = printed.getvalue()
    if reason:
        raise CommandFailedError(output if isinstance(reason, int) else f"{output}{reason}")
    return {"output": output}


def _run(arguments: list[str]) -> str | int | None:
    """What it would have handed to `sys.exit`; nothing where all is well."""
    try:
        main(arguments)
    except SystemExit as exc:
        return exc.code
    return None
