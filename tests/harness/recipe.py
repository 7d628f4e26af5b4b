"""Follow a page of docs/ to the letter: write its files, run its commands."""

import re
from collections.abc import Iterator
from pathlib import Path

from harness import ROOT
from harness.commands import Steps

BLOCK = re.compile(r'^```(?P<kind>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)
ADD_A_MODULE = ROOT / "docs" / "add-a-module.md"


def blocks(page: Path) -> Iterator[tuple[str, str | None, str]]:
    """The fenced blocks of a page: language, path and text."""
    for match in BLOCK.finditer(page.read_text()):
        yield match["kind"], match["title"], match["text"]


def follow(page: Path, steps: Steps) -> None:
    """A block with a path is a file, a `bash` block a list of commands; other blocks only illustrate."""
    for kind, title, text in blocks(page):
        if title:
            path = steps.folder / title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif kind == "bash":
            for command in text.splitlines():
                steps.run(f"recipe: {command}", command)
