"""Real servers for tests, in processes and threads."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import NoReturn

import pytest

# Only a defect takes so long.
_START_SECONDS = 120


def missing(message: str) -> NoReturn:
    """Skip where a developer lacks a program, fail where CI does."""
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def until_open(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Wait until it accepts connections."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, f"{process.args!r} did not start"
            assert time.monotonic() < deadline, f"{process.args!r} does not answer"
            time.sleep(0.01)
        else:
            return


@contextmanager
def answering(server: ThreadingHTTPServer) -> Generator[None]:
    """In a thread of this process."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
