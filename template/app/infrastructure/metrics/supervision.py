"""What the parent of several processes does for their metrics.

It does not import the library, which decides at that moment whether numbers are shared: processes
that are forked of this one would know it already.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, cast

from pydantic import SecretStr

from app.core.feature import Process

from .binding import bind
from .settings import MetricsSettings

# The library's own: it decides by this.
_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_ROOT = Path(__file__).parents[3]


@contextmanager
def supervising(settings: MetricsSettings, process: Process) -> Generator[Mapping[str, str]]:
    """A folder for their numbers, and a listener that shows the sums, if one is asked for."""
    port = settings.port_of(process)
    with ExitStack() as stack:
        folder = stack.enter_context(_shared_folder())
        if port is not None:
            listener = stack.enter_context(bind(settings.address, port))
            stack.enter_context(_listening_apart(listener, settings.token, folder))
        yield {_VARIABLE: str(folder)}


@contextmanager
def _listening_apart(
    listener: socket.socket, token: SecretStr | None, folder: Path
) -> Generator[None]:
    """In a process of its own: it is not wise to fork one that has threads.

    It ends when its standard input does, so it does not outlive this one, however that ends.
    """
    options = {
        "descriptor": listener.fileno(),
        "folder": str(folder),
        "token": None if token is None else token.get_secret_value(),
    }
    child = subprocess.Popen(
        [sys.executable, "-m", "app.infrastructure.metrics.sums"],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        pass_fds=[listener.fileno()],
        # Not told to stop by the Ctrl-C that is meant for this one.
        start_new_session=True,
    )
    commands = cast("IO[bytes]", child.stdin)
    with child:
        # Not as an argument, which anybody on the machine can read.
        commands.write(json.dumps(options).encode() + b"\n")
        commands.flush()
        try:
            yield
        finally:
            child.terminate()


@contextmanager
def _shared_folder() -> Generator[Path]:
    """A new one, for this process and those that it starts."""
    path, owner = Path(tempfile.mkdtemp(prefix="metrics-")), os.getpid()
    try:
        yield path
    finally:
        # Those that are forked of this one come by here as well.
        if os.getpid() == owner:
            shutil.rmtree(path, ignore_errors=True)
