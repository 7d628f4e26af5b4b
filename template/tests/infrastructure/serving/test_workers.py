from pathlib import Path

import pytest

from app.infrastructure.serving.workers import cpu_limit, workers_allowed


def version_2(folder: Path, text: str) -> Path:
    (folder / "cpu.max").write_text(f"{text}\n")
    return folder


def version_1(folder: Path, quota: str, period: str = "100000") -> Path:
    (folder / "cpu").mkdir()
    (folder / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (folder / "cpu" / "cpu.cfs_period_us").write_text(f"{period}\n")
    return folder


class TestLimit:
    @pytest.mark.parametrize(
        ("text", "limit"),
        [
            ("200000 100000", 2.0),
            ("25000 50000", 0.5),
            ("max 100000", None),
            ("", None),
            ("what is this", None),
            ("100000 0", None),
        ],
    )
    def test_of_version_2(self, tmp_path: Path, text: str, limit: float | None) -> None:
        assert cpu_limit(version_2(tmp_path, text)) == limit

    @pytest.mark.parametrize(("quota", "limit"), [("150000", 1.5), ("-1", None)])
    def test_of_version_1(self, tmp_path: Path, quota: str, limit: float | None) -> None:
        assert cpu_limit(version_1(tmp_path, quota)) == limit

    def test_of_a_machine_without_control_groups(self, tmp_path: Path) -> None:
        assert cpu_limit(tmp_path / "missing") is None


class TestWorkers:
    @pytest.mark.parametrize(
        ("text", "workers"),
        [
            ("50000 100000", 1),
            ("100000 100000", 1),
            ("199000 100000", 1),
            ("200000 100000", 2),
            ("850000 100000", 8),
            ("max 100000", 1),
        ],
    )
    def test_one_for_each_whole_cpu(self, tmp_path: Path, text: str, workers: int) -> None:
        assert workers_allowed(version_2(tmp_path, text)) == workers
