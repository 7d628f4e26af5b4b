"""Copier without what takes most of its time and changes nothing that is rendered here.

Copier starts `git config` once for each file it writes, to learn whether the file system knows executable bits; renders
the name of each file again for each of its folders, and all answers anew each time; and clones the template for each of
the three copies that an update compares. All of this is private to Copier: where a release renames it, the tests are
slower and nothing else. `test_life.py` holds a copy and an update through Copier's own command line against the same
through here.
"""

from functools import cache, cached_property
from typing import Any

from copier import _template as template_module
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
    render_context_once()
    clone_once()


def render_context_once() -> None:
    """What templates see does not change while files are rendered, and most names contain no template."""
    make, render_string, render_template = (
        getattr(Worker, name, None) for name in ("_render_context", "_render_string", "_render_template")
    )
    if not (make and render_string and render_template):
        return
    contexts: dict[int, dict[str, Any]] = {}

    def context(self: Worker) -> dict[str, Any]:
        found = contexts.get(id(self))
        return make(self) if found is None else dict(found)

    def string(self: Worker, text: str, extra_context: dict[str, Any] | None = None) -> str:
        return render_string(self, text, extra_context) if "{" in text else text

    def template(self: Worker) -> None:
        # Asked for now, because this empties the name of the answers file in the context that it makes.
        _ = self.answers_relpath
        contexts[id(self)] = make(self)
        try:
            render_template(self)
        finally:
            del contexts[id(self)]

    names: dict[str, Any] = {"_render_context": context, "_render_string": string, "_render_template": template}
    for name, function in names.items():
        setattr(Worker, name, function)
    if isinstance(where := getattr(Worker, "answers_relpath", None), property):
        once = cached_property(where.fget)  # type: ignore[arg-type]
        once.__set_name__(Worker, "answers_relpath")
        Worker.answers_relpath = once  # type: ignore[method-assign,assignment]


def clone_once() -> None:
    """A checkout of a version is made once for a process, and only read."""
    clone = getattr(template_module, "clone", None)
    if clone is not None:
        checkout = cache(clone)
        # What Copier removes afterwards is the folder that it made for the clone.
        setattr(template_module, "clone", lambda url, ref="HEAD", location=None: checkout(url, ref))  # noqa: ARG005, B010
