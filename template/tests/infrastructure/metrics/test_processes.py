"""Several processes, as `serve` starts them, and what is left of those that die."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeVar

import pytest
from httpx2 import Client, HTTPError

from app.core.feature import Process
from app.infrastructure.metrics.feature import feature
from app.infrastructure.metrics.settings import MetricsSettings

from .kettle import numbers

ROOT = Path(__file__).parents[3]
Found = TypeVar("Found")
_PATIENCE_SECONDS = 90


def until(look: Callable[[], Found]) -> Found:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
    return found


class Service:
    """Two workers, and a listener for their numbers."""

    def __init__(self, folder: Path, port: int, metrics_port: int) -> None:
        self.folder = folder
        self.port = port
        self.metrics_port = metrics_port
        self.sent = 0
        self._log = folder / "log"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(folder),
            "ENVIRONMENT": "test",
            "WEB_CONCURRENCY": "2",
            "METRICS_PORT": str(metrics_port),
            "METRICS_TOKEN": "a-token-of-some-length",
        }
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "app.cli", "serve", "--port", str(port)],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def workers(self) -> list[int]:
        """The process ids of all that have ever served."""
        assert self.process.poll() is None, self._log.read_text()
        found = re.findall(r"Started server process \[(\d+)\]", self._log.read_text())
        return [int(pid) for pid in found]

    @property
    def counting(self) -> set[int]:
        """The process ids of those that have files of requests."""
        files = self.folder.glob("metrics-*/histogram_*.db")
        return {int(file.stem.rpartition("_")[2]) for file in files}

    def send(self) -> None:
        """A request, on a connection of its own."""
        with Client() as client:
            try:
                response = client.get(f"http://127.0.0.1:{self.port}/api/v1/nowhere")
            except HTTPError:
                # To a worker that has just died.
                return
        assert response.status_code in {404, 429}
        self.sent += 1

    def requests(self, port: int) -> float:
        text = self.text(port)
        return sum(numbers(text, "http_server_request_duration_seconds_count").values())

    def text(self, port: int) -> str:
        with Client() as client:
            headers = {"Authorization": "Bearer a-token-of-some-length"}
            response = client.get(f"http://127.0.0.1:{port}/metrics", headers=headers)
        assert response.status_code == 200, response.text
        return response.text


@pytest.fixture
def service(tmp_path: Path, free_ports: tuple[int, int]) -> Generator[Service]:
    service = Service(tmp_path, *free_ports)
    yield service
    if service.process.poll() is None:
        os.killpg(service.process.pid, signal.SIGKILL)
        service.process.wait()


@pytest.fixture
def free_ports() -> tuple[int, int]:
    here = ("127.0.0.1", 0)
    with socket.create_server(here) as one, socket.create_server(here) as other:
        return one.getsockname()[1], other.getsockname()[1]


def test_workers_are_summed_up_dead_ones_too(service: Service) -> None:
    until(lambda: len(service.workers) >= 2)

    def both_have_counted() -> bool:
        service.send()
        return len(service.counting) >= 2

    until(both_have_counted)
    # Whichever of them is asked, and who has started them.
    assert service.requests(service.port) == service.sent
    assert service.requests(service.metrics_port) == service.sent

    killed = service.workers[0]
    before = len(service.workers)
    os.kill(killed, signal.SIGKILL)
    until(lambda: len(service.workers) > before)
    known = service.counting | {killed}

    def another_has_counted() -> bool:
        service.send()
        return bool(service.counting - known)

    until(another_has_counted)
    assert service.requests(service.metrics_port) == service.sent
    # Added to those of nobody, so that the files do not become more and more.
    assert killed not in service.counting
    assert 0 in service.counting
    assert service.requests(service.port) == service.sent
    # What the dead one showed is no more.
    shown = numbers(service.text(service.port), "http_server_active_requests")
    assert shown == {(): 0}

    folder = next(service.folder.glob("metrics-*"))
    assert folder.stat().st_mode & 0o777 == 0o700
    service.process.terminate()
    assert service.process.wait(_PATIENCE_SECONDS) is not None
    assert not folder.exists()


def test_says_what_to_do_when_the_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = MetricsSettings(port=taken.getsockname()[1])
        supervising = feature(settings, deployed=True).supervising
        assert supervising is not None
        with pytest.raises(OSError, match="choose another one"), supervising(Process.SERVICE):
            raise AssertionError
