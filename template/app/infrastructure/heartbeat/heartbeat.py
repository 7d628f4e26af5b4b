import time
from pathlib import Path

# Several times the longest pause between two touches.
_LIFELESS_SECONDS = 60


class Heartbeat:
    """A sign of life for the probes of containers: a file that is touched while a loop turns."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}.heartbeat"

    def touch(self) -> None:
        self._path.touch()

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    @property
    def is_alive(self) -> bool:
        try:
            return time.time() - self._path.stat().st_mtime < _LIFELESS_SECONDS
        except FileNotFoundError:
            return False
