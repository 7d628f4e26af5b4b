"""Numbers of several processes: each writes files of its own into one folder, and reads all."""

import fcntl
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from prometheus_client import CollectorRegistry
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from .exposition import Exposition, exposed

# What counts goes on to count when its process is gone; it is added up under a number that no
# process has.
_NOBODY = 0
_SUMMED = ("counter", "histogram")


class SharedFolder:
    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def of_environment(cls) -> Self | None:
        try:
            collector = MultiProcessCollector(None)
        except ValueError:
            return None
        return cls(Path(collector._path))  # noqa: SLF001

    def expose(self, accept: str) -> Exposition:
        """What all have counted, the dead ones too, and the sums of what the living show."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._path))
        with self._alone():
            for pid in self._pids():
                if pid != _NOBODY and not _is_alive(pid):
                    self.leave(pid)
                    self._fold(pid)
            return exposed(registry, accept)

    def leave(self, pid: int) -> None:
        """What the process has shown is no more; what it has counted stays."""
        mark_process_dead(pid, str(self._path))

    def _fold(self, pid: int) -> None:
        """Where processes are replaced all the time their files would be more and more."""
        for kind in _SUMMED:
            file = self._file(kind, pid)
            if not file.exists():
                continue
            sums = MmapedDict(str(self._file(kind, _NOBODY)))
            for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(file):
                before, _ = sums.read_value(key)
                sums.write_value(key, before + value, timestamp)
            sums.close()
            file.unlink()

    def _pids(self) -> Iterable[int]:
        return {int(file.stem.rpartition("_")[2]) for file in self._path.glob("*.db")}

    def _file(self, kind: str, pid: int) -> Path:
        return self._path / f"{kind}_{pid}.db"

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Who reads meanwhile would count some twice."""
        with (self._path / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
