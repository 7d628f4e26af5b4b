"""A systemd of one's own: process number one of namespaces, beside whatever runs the machine.

It sees the machine's files, but for empty folders where it and a deployment write, and shares its network.
"""

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from harness.commands import Outcome, environment, run
from harness.servers import missing

START_SECONDS = 60
UNITS = "/etc/systemd/system"
# What a unit may refer to; the real ones would start a whole machine.
TARGETS = ("basic", "multi-user", "network-online", "shutdown", "sockets", "sysinit", "umount")
# By which systemd-run speaks to it.
BUS = {
    "dbus.socket": "[Socket]\nListenStream=/run/dbus/system_bus_socket\n",
    "dbus.service": "[Service]\nType=notify\nExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork\n",
}
# Output goes to a file, as there is no journal.
LOGGED = "[Service]\nStandardOutput=append:{log}\nStandardError=inherit\n"

BOOT = """\
set -e
mount --make-rprivate /
mount --bind {folder} /mnt
for empty in /run /tmp /var/tmp /opt {empty}; do
    mkdir -p "$empty"
    mount -t tmpfs -o mode=755 tmpfs "$empty"
done
chmod 1777 /tmp /var/tmp
mkdir -p /run/lock {folder}
mount --bind /mnt {folder}
umount /mnt
cp -r {folder}/units/. {units}
umount --recursive --lazy /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec env --ignore-environment container=other PATH="$PATH" SYSTEMD_UNIT_PATH={units} \\
    /lib/systemd/systemd --system --unit=basic.target --log-target=null --show-status=no
"""


@dataclass(frozen=True)
class Systemd:
    """A running one."""

    process: int
    log: Path
    """What services say."""

    def run(self, command: str | Sequence[str], **extra: str) -> Outcome:
        """Run a command as root where it is the first process."""
        words = shlex.split(command) if isinstance(command, str) else command
        return run([*self.entering, *words], Path("/"), extra)

    def check(self, command: str | Sequence[str], **extra: str) -> str:
        """Run one that must succeed; its output."""
        outcome = self.run(command, **extra)
        assert outcome.ok, f"{outcome}\n{self.log.read_text()[-4000:]}"
        return outcome.output

    @property
    def entering(self) -> list[str]:
        """What comes before a command to be run there."""
        return ["nsenter", f"--target={self.process}", "--mount", "--pid", "--cgroup"]

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.check(["systemctl", "show", "--value", f"--property={name}", unit]).strip()


@contextmanager
def systemd(folder: Path, *empty: str) -> Iterator[Systemd]:
    """Boot one. `folder` is shared with it; what else is named is an empty folder there, as /opt, /run and /tmp are."""
    control = _control_group()
    program = Path("/lib/systemd/systemd")
    if os.geteuid() != 0 or not program.exists() or control is None or shutil.which("nsenter") is None:
        missing("systemd and the rights of root are needed: install it (Debian: apt-get install systemd)")
    assert control is not None
    folder.mkdir(exist_ok=True)
    _write_units(folder)
    # A file system can only be mounted where there is a folder.
    made = [Path(name) for name in empty if not Path(name).exists()]
    script, group = folder / "boot.sh", control / f"slipway-{uuid4().hex}"
    names = " ".join((UNITS, *empty))
    script.write_text(BOOT.format(folder=folder, units=UNITS, empty=names))
    group.mkdir()
    try:
        with (folder / "boot.log").open("w") as output:
            unshare = "unshare --pid --fork --kill-child --mount --mount-proc --cgroup --ipc --uts"
            joining = f"echo $$ >{group}/cgroup.procs && exec {unshare} sh {script}"
            shell = subprocess.Popen(
                ["sh", "-c", joining], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment()
            )
        try:
            yield _booted(shell, folder)
        finally:
            shell.kill()
            shell.wait()
    finally:
        _remove(group)
        for path in made:
            path.rmdir()


def _write_units(folder: Path) -> None:
    units, log = folder / "units", folder / "services.log"
    (units / "service.d").mkdir(parents=True)
    for name in TARGETS:
        (units / f"{name}.target").write_text(f"[Unit]\nDescription={name}\nDefaultDependencies=no\n")
    for name, text in BUS.items():
        (units / name).write_text(text)
    (units / "service.d/log.conf").write_text(LOGGED.format(log=log))
    log.touch()


def _control_group() -> Path | None:
    """Where control groups of the second version are mounted."""
    found: Mapping[str, str] = {
        fields[2]: fields[1] for fields in (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    }
    return Path(found["cgroup2"]) if "cgroup2" in found else None


def _booted(shell: "subprocess.Popen[bytes]", folder: Path) -> Systemd:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and shell.poll() is None:
        with suppress(FileNotFoundError, ProcessLookupError):
            children = Path(f"/proc/{shell.pid}/task/{shell.pid}/children").read_text().split()
            if children:
                own = Systemd(int(children[0]), folder / "services.log")
                if own.run("systemctl is-active basic.target").ok:
                    return own
        time.sleep(0.1)
    missing(f"systemd cannot be started here: {(folder / 'boot.log').read_text()[-2000:]}")
    raise AssertionError


def _remove(group: Path) -> None:
    """Its processes have been told to end, and are a moment in doing so."""
    for _ in range(100):
        with suppress(OSError):
            for path in sorted(group.rglob("*"), reverse=True):
                if path.is_dir():
                    path.rmdir()
            group.rmdir()
            return
        for process in (group / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
        time.sleep(0.1)
