"""Snapshots of the template, and projects rendered from them, toggled and updated.

pytest-copie serves plain copies (test_presets.py); it trusts every template, takes unknown answers, cannot toggle and
reports no conflicts, so the rest is here.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from functools import cache
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import Any

import yaml
from copier import Settings, VcsRef, run_copy, run_update
from filelock import FileLock
from pathspec import GitIgnoreSpec

from harness import ANSWERS_FILE, ROOT
from harness.git import commit_all, git
from harness.questionnaire import Questionnaire
from harness.templates import compile_once

compile_once()

# Above every release, so that an update from one goes forward.
VERSION = "v999.0.0"
# Nobody is asked, nothing is trusted, and the developer's own Copier settings do not count.
OPTIONS: dict[str, Any] = {"defaults": True, "quiet": True, "unsafe": False, "settings": Settings()}
Tree = Mapping[str, bytes]
# Files that people, platforms and pipelines read.
BESIDE = (
    "/.*",
    "!/.env.example",
    "/*.md",
    "/Dockerfile",
    "/Procfile",
    "/app.json",
    "/compose*.yaml",
    "/deploy",
    "/docs",
    "/fly.toml",
    "/render.yaml",
    "/renovate.json",
)


def once(target: Path, make: Callable[[Path], object]) -> Path:
    """Make a folder once for all workers of a run; nobody sees it half made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if not target.exists():
            unfinished = target.with_name(f"{target.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            make(unfinished)
            unfinished.rename(target)
    return target


def work_tree(root: Path = ROOT) -> list[str]:
    """The files of a checkout as they would be committed now."""
    listed = git(root, "ls-files", "-coz", "--exclude-standard").split("\0")
    return sorted(name for name in set(listed) if name and (root / name).is_file())


def take_snapshot(target: Path, root: Path = ROOT) -> None:
    """Clone with all tags, lay the work tree over it, commit and tag.

    Copier takes uncommitted changes into a copy, but the version that it then writes down cannot be updated from.
    """
    git(root, "clone", "-q", "--no-checkout", str(root), str(target))
    for name in work_tree(root):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target / name, follow_symlinks=False)
    commit_all(target, "Snapshot of the work tree")
    git(target, "tag", VERSION)


@dataclass(frozen=True)
class Renderer:
    """Renders one template, each set of answers once, for every worker of the run."""

    template: Path
    folder: Path

    def __call__(self, version: str = VERSION, /, **answers: Any) -> Path:
        """A rendered project to read, not to change."""
        known(self.template, answers)
        key = sha256(dumps([str(self.template), version, answers], sort_keys=True).encode()).hexdigest()[:16]
        return once(self.folder / key, lambda target: self.render(target, version, **answers))

    def render(self, target: Path, version: str = VERSION, /, **answers: Any) -> None:
        """What `copier copy --defaults -d ...` does, without trust."""
        run_copy(str(self.template), target, data=answers, vcs_ref=version, **OPTIONS)

    def project(self, target: Path, version: str = VERSION, /, **answers: Any) -> Path:
        """A committed project of one's own."""
        shutil.copytree(self(version, **answers), target, symlinks=True)
        commit_all(target, "Start from the template")
        return target


def remove_beside(project: Path) -> Path:
    """Take away what is for others than the service and its checks."""
    spec = GitIgnoreSpec.from_lines(BESIDE)
    for name in spec.match_files(read_tree(project)):
        (project / name).unlink()
    commit_all(project, "The service alone")
    return project


def add_own_feature(project: Path, name: str, code: str) -> None:
    """A module of the owner's with a `FEATURE`, and its line in the list of theirs."""
    (project / f"app/modules/{name}.py").write_text(code)
    custom = project / "app/custom.py"
    text = custom.read_text().replace("    return []", "    return [FEATURE]")
    before = "from app.core.settings"
    custom.write_text(text.replace(before, f"from app.modules.{name} import FEATURE\n{before}"))


@cache
def questions_of(template: Path) -> Questionnaire:
    """The questions of a snapshot."""
    return Questionnaire(template)


def known(template: Path, answers: Mapping[str, Any]) -> None:
    """Copier ignores unknown answers silently; a test must not."""
    unknown = answers.keys() - questions_of(template).questions.keys()
    assert not unknown, f"no such question: {', '.join(sorted(unknown))}"


def update(project: Path, version: str | VcsRef = VcsRef.CURRENT, /, **answers: Any) -> list[str]:
    """What `copier update --defaults -d ...` does, without trust; returns the paths left in conflict.

    Without a version only the answers change (`-r :current:`).
    """
    stored = yaml.safe_load((project / ANSWERS_FILE).read_text())
    known(Path(stored["_src_path"]), answers)
    run_update(project, data=answers, vcs_ref=version, overwrite=True, **OPTIONS)
    status = git(project, "status", "--porcelain", "-uall").splitlines()
    unmerged = [line[3:] for line in status if line[:2] in {"UU", "AA", "DU", "UD", "AU", "UA", "DD"}]
    return unmerged + [str(path) for path in project.rglob("*.rej")]


def read_tree(folder: Path, *, without: tuple[str, ...] = ()) -> dict[str, bytes]:
    """The files of a project by path, as git would see them: no caches, databases or environments."""
    paths = git(folder, "ls-files", "-coz", "--exclude-standard").split("\0") if (folder / ".git").exists() else None
    names = paths or [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    wanted = [name for name in names if name and not name.startswith(without) and (folder / name).is_file()]
    return {name: (folder / name).read_bytes() for name in sorted(wanted)}


def read_texts(folder: Path) -> dict[str, str]:
    """The text files of a rendered project, without the answers file."""
    files = read_tree(folder)
    return {name: data.decode() for name, data in files.items() if name != ANSWERS_FILE and b"\0" not in data}


def differences(actual: Path, expected: Path, *, without: tuple[str, ...] = ()) -> str:
    """How two projects differ, as a diff; empty where they are the same."""
    found = read_tree(actual, without=without)
    wanted = read_tree(expected, without=without)
    lines: list[str] = []
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            old, new = (tree.get(name, b"").decode(errors="replace").splitlines() for tree in (wanted, found))
            lines += unified_diff(old, new, f"expected/{name}", f"actual/{name}", lineterm="", n=1)
    return "\n".join(lines)


def empty_folders(folder: Path) -> list[str]:
    """Folders with nothing in them, git's own aside."""
    folders = (path for path in folder.rglob("*") if path.is_dir() and ".git" not in path.relative_to(folder).parts)
    return [path.relative_to(folder).as_posix() for path in folders if not any(path.iterdir())]
