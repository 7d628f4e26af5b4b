"""AWS Lambda as a function sees it: the runtime's own client, and an API that hands it one event after the other."""

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from harness.commands import environment

START = "/2018-06-01/runtime"
PATIENCE_SECONDS = 90


class FunctionError(Exception):
    """The function has raised; what AWS would answer whoever has invoked it."""


@dataclass
class RuntimeApi:
    """The HTTP API from which the runtime's client takes events, and to which it gives what becomes of them."""

    events: "queue.Queue[tuple[str, Any]]" = field(default_factory=queue.Queue)
    results: "queue.Queue[tuple[str, bool, Any]]" = field(default_factory=queue.Queue)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: RuntimeApi

    def handle_error(self, *_: object) -> None:
        """A client that was ended has hung up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The next event, when there is one."""
        assert self.path == f"{START}/invocation/next"
        name, event = cast("_Server", self.server).api.events.get()
        body = json.dumps(event).encode()
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", name)
        # Without it the client's native part dies.
        self.send_header("Content-Type", "application/json")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + 29) * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:123456789012:function:it")
        self._end(body)

    def do_POST(self) -> None:
        """What has become of it."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        *_, name, kind = self.path.split("/")
        cast("_Server", self.server).api.results.put((name, kind == "response", json.loads(body)))
        self.send_response(202)
        self._end(b"{}")

    def log_message(self, *_: object) -> None:
        """Not into the tests' output."""

    def _end(self, body: bytes) -> None:
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Function:
    """One container of a function: `handler`, run by AWS's own client."""

    def __init__(self, api: RuntimeApi, process: "subprocess.Popen[bytes]", log_path: Path) -> None:
        self._api, self.process, self._log = api, process, log_path

    def __call__(self, event: Mapping[str, Any]) -> Any:
        """Invoke it, and wait for what it returns."""
        name = str(uuid4())
        self._api.events.put((name, event))
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            try:
                answered, returned, result = self._api.results.get(timeout=0.2)
            except queue.Empty:
                assert self.process.poll() is None, f"it has ended:\n{self.log()}"
                continue
            assert answered == name, f"{answered}: {result}\n{self.log()}"
            if not returned:
                raise FunctionError(result)
            return result
        raise TimeoutError(self.log())

    def log(self) -> str:
        """What it has printed so far."""
        return self._log.read_text()

    def terminate(self) -> int:
        """The end that AWS gives a function with an extension; its exit status."""
        self.process.terminate()
        return self.process.wait(PATIENCE_SECONDS)


@contextmanager
def function(python: Path, package: Path, handler: str, log: Path, **variables: str) -> Iterator[Function]:
    """A container that has started, or is about to."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.api = RuntimeApi()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(python), "-W", "error::ResourceWarning", "-m", "awslambdaric", handler],
            cwd=package,
            env=environment(**_variables(f"127.0.0.1:{server.server_port}", handler, package), **variables),
            stdout=output,
            stderr=output,
        )
    try:
        yield Function(server.api, process, log)
    finally:
        process.kill()
        process.wait()
        server.shutdown()
        server.server_close()


def _variables(address: str, handler: str, package: Path) -> dict[str, str]:
    """Those that AWS sets."""
    return {
        "AWS_LAMBDA_RUNTIME_API": address,
        # From 3.12 on signals are seen while it waits for an event.
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python3.{max(sys.version_info.minor, 12)}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "AWS_LAMBDA_FUNCTION_NAME": "it",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "it",
        "AWS_LAMBDA_LOG_STREAM_NAME": "it",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_REGION": "eu-central-1",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": str(package),
        "TZ": ":UTC",
        "_HANDLER": handler,
    }
