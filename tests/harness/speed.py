"""Copier without the two things that take most of its time and change nothing that is rendered here.

Copier starts `git config` once for each file it writes, to learn whether the file system knows executable bits, and
compiles the name of each path again for each of its folders. Together they are two thirds of a copy. Both are private
to Copier: where a release renames them, the tests are slower and nothing else. `test_life.py` holds a copy and an
update through Copier's own command line against the same through here.
"""

from functools import cache

from copier._jinja_ext import SandboxedEnvironment
from copier._main import Worker


class CachingEnvironment(SandboxedEnvironment):
    """Compiles each text once."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self.from_string = cache(self.from_string)  # type: ignore[method-assign,assignment]


def speed_up() -> None:
    """Patch this process's Copier."""
    import copier._main as main  # noqa: PLC0415

    if hasattr(main, "SandboxedEnvironment"):
        main.SandboxedEnvironment = CachingEnvironment
    if hasattr(Worker, "_sync_git_index_executable_bit"):
        Worker._sync_git_index_executable_bit = lambda *_: None  # type: ignore[method-assign]  # noqa: SLF001
