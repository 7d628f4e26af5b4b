"""What Docker, clouds, proxies and pipelines will read is checked by their own tools, in every row."""

import shutil
from pathlib import Path

import pytest

from artefacts import ARTEFACTS
from harness.artefacts import Artefact
from harness.projects import Renderer
from harness.rows import Row, all_rows, one_off

pytestmark = pytest.mark.render

ONE_OFF = [switches for _, _, switches in one_off()]


@pytest.fixture(scope="session")
def results(shared: Path) -> Path:
    """What was found so far in this run."""
    return shared / "artefacts"


@pytest.mark.parametrize("row", all_rows(), ids=lambda row: row.id)
def test_tools_find_nothing(row: Row, render: Renderer, results: Path) -> None:
    project = render(**row.answers)
    found = [problem for it in ARTEFACTS if it.is_in(project) for problem in it.problems(project, results)]
    assert not found, "\n".join(found)


def has_all(artefact: Artefact, project: Path) -> bool:
    """Whether there is a place for each fault."""
    files = {name: project / name for name, _, _ in artefact.faults}
    texts = {name: path.read_text() for name, path in files.items() if path.is_file()}
    return artefact.is_in(project) and all(right in texts.get(name, "") for name, right, _ in artefact.faults)


@pytest.mark.parametrize("artefact", ARTEFACTS, ids=lambda artefact: artefact.name)
def test_tools_find_faults(artefact: Artefact, render: Renderer, tmp_path: Path) -> None:
    """A tool that is not installed, or looks at nothing, would find nothing above."""
    assert artefact.faults
    project = next(found for found in (render(preset="custom", **it) for it in ONE_OFF) if has_all(artefact, found))
    assert artefact.check(project) == []
    for number, (name, right, wrong) in enumerate(artefact.faults):
        broken = tmp_path / str(number)
        shutil.copytree(project, broken)
        text = (broken / name).read_text()
        assert right in text
        (broken / name).write_text(text.replace(right, wrong))
        assert artefact.check(broken), f"{name}: {wrong}"
