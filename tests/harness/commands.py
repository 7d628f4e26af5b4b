"""Commands run in a project as its owner runs them, from an environment that knows nothing of this repository."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from harness import ROOT

PASSED_ON = ("PATH", "HOME", "USER", "LANG", "TMPDIR")
PASSED_ON_PREFIXES = ("LC_", "UV_", "XDG_", "SSL_CERT")
TAIL = 6_000  # characters of output in a failure report: enough for a few tracebacks


def environment(**extra: str) -> dict[str, str]:
    """The variables of a plain shell, and `extra`."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES) or name.lower().endswith("_proxy")
    }
    return {
        **inherited,
        "UV_PYTHON": sys.executable,
        **_version_manager(),
        "UV_LINK_MODE": "hardlink",
        "NO_COLOR": "1",
        **extra,
    }


@cache
def _version_manager() -> Mapping[str, str]:
    """Where uv comes from pyenv it would not be found in a project whose .python-version names another version."""
    if shutil.which("pyenv") is None:
        return {}
    answer = subprocess.run(["pyenv", "version-name"], cwd=ROOT, capture_output=True, text=True, check=True)
    return {"PYENV_VERSION": answer.stdout.strip()}


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    command: str
    status: int
    output: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.status == 0

    def __str__(self) -> str:
        return f"$ {self.command}   (status {self.status}, {self.seconds:.1f} s)\n{self.output[-TAIL:]}"


def run(
    command: str | Sequence[str],
    folder: Path,
    extra: Mapping[str, str] | None = None,
    timeout: float = 600,
) -> Outcome:
    """Run a command in a project, output and errors together. A string is split as a shell would, without one."""
    words = shlex.split(command) if isinstance(command, str) else list(command)
    started = time.monotonic()
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            env=environment(**(extra or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        text = error.output.decode(errors="replace") if isinstance(error.output, bytes) else str(error.output or "")
        return Outcome(shlex.join(words), -1, f"{text}\nstopped after {timeout} s", timeout)
    return Outcome(shlex.join(words), done.returncode, done.stdout, time.monotonic() - started)


@dataclass
class Steps:
    """Commands run one after another in a project; all failures are reported together."""

    folder: Path
    failures: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, step: str, command: str, **extra: str) -> bool:
        """Run it and go on, whatever comes of it; False where it failed."""
        outcome = run(command, self.folder, extra)
        self.note(step, outcome.seconds, "" if outcome.ok else str(outcome))
        return outcome.ok

    def note(self, step: str, seconds: float, failure: str = "") -> None:
        """Add what was found in another way."""
        self.seconds[step] = self.seconds.get(step, 0) + seconds
        if failure:
            self.failures.append(f"== {step} failed ==\n{failure}")

    def check(self) -> None:
        """Fail with everything that failed."""
        assert not self.failures, "\n" + "\n".join(self.failures)
