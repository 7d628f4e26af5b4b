"""The service with everything on, in trouble: no wrong answer, nothing lost, nothing hangs, and it recovers alone."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from harness import faults
from harness.environments import Environments
from harness.faults import Running
from harness.load import Ledger
from harness.projects import Renderer, add_own_feature

pytestmark = pytest.mark.suite

RECOVERY_SECONDS = 10  # generous: tenths of a second where nobody else needs the machine


@pytest.fixture
def project(render: Renderer, environments: Environments, tmp_path: Path) -> Path:
    folder = environments.install(render.project(tmp_path / "project", preset="everything")).folder
    add_own_feature(folder, "slow", faults.SLOW)
    return folder


def check(service: Running, ledger: Ledger) -> None:
    """No wrong answer, nothing that hung, and all that was promised is there."""
    assert not ledger.wrong, ledger
    assert not service.lost(ledger)


def test_database_stops_and_starts(project: Path) -> None:
    with faults.running(project) as service:
        workers = service.workers()
        ledger, recovered = faults.database_stops(service)

        check(service, ledger)
        assert ledger.answers[503], ledger
        assert recovered < RECOVERY_SECONDS
        assert service.workers() == workers


def test_worker_is_killed(project: Path) -> None:
    with faults.running(project) as service:
        workers = service.workers()
        ledger, recovered = faults.worker_is_killed(service)

        check(service, ledger)
        assert ledger.cut, ledger
        assert recovered < RECOVERY_SECONDS
        assert len(service.workers()) == len(workers)
        assert len({*service.workers()} & {*workers}) == len(workers) - 1


def test_pool_is_exhausted(project: Path) -> None:
    with faults.running(project, DATABASE_POOL_SIZE="1", DATABASE_POOL_TIMEOUT_SECONDS="1") as service:
        answers = faults.pool_is_exhausted(service, 8)
        after = httpx2.get(f"{service.base}slow", timeout=20)

    assert {it.status_code for it in answers} == {200, 503}, [it.text for it in answers]
    assert all(it.headers["Retry-After"] for it in answers if it.status_code == 503)
    assert after.status_code == 200


def test_told_to_stop(project: Path) -> None:
    with faults.running(project, SERVE_DRAIN_SECONDS="3") as service:
        ledger, slow, status = faults.is_told_to_stop(service)

        assert slow == [200, 200, 200]
        assert status == 0
        assert not ledger.cut, ledger
        check(service, ledger)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A file system of its own; not everybody may mount one, nor root in every container."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a full disk is a small file system, and mounting one is not permitted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def upload(service: Running, kilobytes: int) -> httpx2.Response:
    files = {"files": ("page.txt", b"a line of text\n" * (kilobytes * 1024 // 15), "text/plain")}
    headers = {"Authorization": f"Bearer {service.token}"}
    return httpx2.post(f"{service.base}files", files=files, headers=headers, timeout=20)


def stored(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_disk_is_full(project: Path, tmp_path: Path) -> None:
    storage = tmp_path / "small"
    with small_disk(storage, 4), faults.running(project, STORAGE_FOLDER=str(storage)) as service:
        headers = {"Authorization": f"Bearer {service.token}"}
        kept = upload(service, 3000)
        assert kept.status_code == 200, kept.text
        before = stored(storage)

        refused = upload(service, 3000)
        assert refused.status_code == 503, refused.text
        assert refused.json()["type"] == "urn:problem:storage.unreachable"
        assert stored(storage) == before
        listed = httpx2.get(f"{service.base}files", headers=headers).json()
        assert len(listed["data"]) == 1

        file = listed["data"][0]["id"]
        content = httpx2.get(f"{service.base}files/{file}/content", headers=headers)
        assert len(content.content) == before
        assert httpx2.delete(f"{service.base}files/{file}", headers=headers).status_code == 204
        again = upload(service, 3000)
        assert again.status_code == 200, again.text
