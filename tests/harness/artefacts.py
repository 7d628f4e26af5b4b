"""What other tools will read of a project, checked by these tools.

Many rows have the same file: it is checked once for each content.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from harness.commands import run
from harness.projects import once

Check = Callable[[Path], list[str]]


@dataclass(frozen=True)
class Artefact:
    """Files that belong together, and what their own tools say about them."""

    name: str
    files: Sequence[str]
    """Glob patterns, from the root of a project, of all that the tools read; where the first one matches nothing, the
    project has no such artefact."""
    check: Check
    """From a project to what is wrong with it."""
    faults: Sequence[tuple[str, str, str]]
    """A file, a piece of it, and what to put in its place so that `check` finds something."""

    def is_in(self, project: Path) -> bool:
        """Whether the project has it."""
        return any(project.glob(self.files[0]))

    def content(self, project: Path) -> Iterator[tuple[str, bytes]]:
        """Every file by its path."""
        found = {path for pattern in self.files for path in project.glob(pattern) if path.is_file()}
        for path in sorted(found):
            yield str(path.relative_to(project)), path.read_bytes()

    def problems(self, project: Path, results: Path) -> list[str]:
        """What is wrong with it; `results` keeps what was found for a content."""
        digest = sha256(self.name.encode())
        for path, data in self.content(project):
            digest.update(f"{path} {len(data)} ".encode() + data)

        def examine(target: Path) -> None:
            target.mkdir()
            (target / "problems.json").write_text(json.dumps(self.check(project)))

        found = once(results / digest.hexdigest()[:20], examine)
        return [str(problem) for problem in json.loads((found / "problems.json").read_text())]


def commands(*lines: str) -> Check:
    """A check that runs commands in the project, each of which must end with 0."""

    def check(project: Path) -> list[str]:
        return [str(outcome) for outcome in (run(line, project) for line in lines) if not outcome.ok]

    return check
