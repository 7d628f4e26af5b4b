"""How many processes serve where nobody has said so."""

from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def workers_allowed(cgroup: Path = _CGROUP) -> int:
    """One for each whole CPU that the container may use, and at least one.

    More would be halted together whenever they have used up what they share, and each takes memory
    and connections. Where there is no limit, one: nobody knows who else wants the machine's CPUs.
    """
    limit = cpu_limit(cgroup)
    return max(1, int(limit)) if limit is not None else 1


def cpu_limit(cgroup: Path = _CGROUP) -> float | None:
    """In CPUs, as containers see it at the root of their own control group."""
    try:
        quota, period = _read(cgroup / "cpu.max").split()
    except (OSError, ValueError):
        # Version 1, of older machines.
        try:
            quota = _read(cgroup / "cpu" / "cpu.cfs_quota_us")
            period = _read(cgroup / "cpu" / "cpu.cfs_period_us")
        except OSError:
            return None
    # Without a limit they are "max" and -1.
    if not (quota.isdecimal() and period.isdecimal() and int(period)):
        return None
    return int(quota) / int(period)


def _read(path: Path) -> str:
    return path.read_text("ascii").strip()
