"""What `serve` runs. It costs a second to import."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from socket import socket
from typing import Any
from weakref import WeakKeyDictionary

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

logger = structlog.get_logger()


def run(
    app: str,
    *,
    is_supervised: bool,
    supervised: Callable[[], AbstractContextManager[None]] = nullcontext,
    sockets: Sequence[socket] = (),
    **options: Any,  # noqa: ANN401 (uvicorn's own)
) -> None:
    """`uvicorn.run`; with several workers, or if it `is_supervised`, below a process of ours.

    That one enters `supervised` around the lives of the others. `sockets` that listen already are
    served in place of `host` and `port`.
    """
    config = uvicorn.Config(app, **options)
    if sockets:
        names = [str(each.getsockname()) for each in sockets]
        logger.info("serving what listens already", sockets=names)
    if config.workers > 1 or is_supervised:
        with supervised():
            Supervisor(config, sockets=list(sockets) or [config.bind_socket()]).run()
    elif sockets:
        uvicorn.Server(config).run(list(sockets))
    else:
        uvicorn.run(app, **options)


class Supervisor(Multiprocess):
    """uvicorn's, which never waits for a worker without listening to signals.

    uvicorn's waits for the answer when it asks one whether it is well: as long as one takes to come
    up, and the whole `timeout_worker_healthcheck` for one that is killed just then.
    """

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 (uvicorn's own)
        super().__init__(*args, **options)
        self._asked_at: WeakKeyDictionary[Process, float] = WeakKeyDictionary()

    def keep_subprocess_alive(self) -> None:
        for index, worker in enumerate(self.processes):
            if worker.process.is_alive() and self._is_responsive(worker):
                continue
            worker.kill()
            worker.join()
            if worker.exitcode == STARTUP_FAILURE:
                # The next one would fail in the same way.
                logger.error("worker failed to start", pid=worker.pid)
                self.should_exit.set()
                return
            log = logger.info if worker.exitcode == 0 else logger.error
            log("worker ended", pid=worker.pid, exit_code=worker.exitcode)
            self.processes[index] = Process(self.config, self.sockets)
            self.processes[index].start()

    def join_all(self) -> None:
        while any(it.process.is_alive() for it in self.processes):
            self.handle_signals()
            time.sleep(0.1)
        super().join_all()

    def handle_int(self) -> None:
        self._stop(super().handle_int)

    def handle_term(self) -> None:
        self._stop(super().handle_term)

    def _is_responsive(self, worker: Process) -> bool:
        """Whether it has said something in time, as far as can be told now."""
        pipe = worker.parent_conn
        try:
            while pipe.poll():
                pipe.recv()
                self._asked_at.pop(worker, None)
            if worker not in self._asked_at:
                pipe.send(b"ping")
                self._asked_at[worker] = time.monotonic()
        except (OSError, EOFError):
            return False
        return time.monotonic() - self._asked_at[worker] < self.config.timeout_worker_healthcheck

    def _stop(self, begin: Callable[[], None]) -> None:
        if not self.should_exit.is_set():
            begin()
            return
        for process in self.processes:
            process.process.kill()
