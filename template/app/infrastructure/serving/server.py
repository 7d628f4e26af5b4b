"""What `serve` runs. It costs a second to import."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess


def run(
    app: str,
    *,
    is_supervised: bool,
    supervised: Callable[[], AbstractContextManager[None]] = nullcontext,
    **options: Any,  # noqa: ANN401 (uvicorn's own)
) -> None:
    """`uvicorn.run`; with several workers, or if it `is_supervised`, below a process of ours.

    That one enters `supervised` around the lives of the others.
    """
    config = uvicorn.Config(app, **options)
    if config.workers == 1 and not is_supervised:
        uvicorn.run(app, **options)
        return
    with supervised():
        Supervisor(config, sockets=[config.bind_socket()]).run()


class Supervisor(Multiprocess):
    """uvicorn's, which goes on listening to signals while its workers end."""

    def join_all(self) -> None:
        while any(it.process.is_alive() for it in self.processes):
            self.handle_signals()
            time.sleep(0.1)
        super().join_all()

    def handle_int(self) -> None:
        self._stop(super().handle_int)

    def handle_term(self) -> None:
        self._stop(super().handle_term)

    def _stop(self, begin: Callable[[], None]) -> None:
        if not self.should_exit.is_set():
            begin()
            return
        for process in self.processes:
            process.process.kill()
