"""What runs on a virtual machine: units, scripts, and the site of nginx."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.artefacts import Artefact, commands
from harness.commands import run
from harness.proxy import debian_nginx, issue, replaced
from harness.systemd import TARGETS

# The most that a service may be exposed, by systemd's own count from 0 to 10.
EXPOSURE = 2.5
# SERVE_STOP_SECONDS: what is killed earlier breaks off requests.
STOP_SECONDS = 25
RELEASE = "x"
SITE = """\
pid nginx.pid;
error_log stderr;
events {}
http {
    include site.conf;
}
"""


def slug_of(project: Path) -> str:
    """The name of the service, as the units have it."""
    found = re.search(
        r"^Sockets=(\S+)-web\.socket", (project / "deploy/vm/systemd/web@.service").read_text(), re.MULTILINE
    )
    assert found is not None
    return found[1]


def lay_out(project: Path, root: Path) -> list[str]:
    """A machine's files as release.sh leaves them, with one release; the names of its units."""
    slug, units = slug_of(project), root / "etc/systemd/system"
    python = root / f"opt/{slug}/releases/{RELEASE}/.venv/bin/python"
    for folder in (units / f"{slug}-.service.d", units / f"{slug}-web.socket.d", python.parent):
        folder.mkdir(parents=True)
    python.touch(0o755)
    for name in TARGETS:
        (units / f"{name}.target").write_text(f"[Unit]\nDescription={name}\nDefaultDependencies=no\n")
    (units / f"{slug}-web.socket.d/release.conf").write_text(f"[Socket]\nService={slug}-web@{RELEASE}.service\n")
    names = []
    for file in sorted((project / "deploy/vm/systemd").iterdir()):
        if file.suffix == ".conf":
            (units / f"{slug}-.service.d" / file.name).write_text(file.read_text())
        else:
            (units / f"{slug}-{file.name}").write_text(file.read_text())
            names.append(f"{slug}-{file.name}".replace("@", f"@{RELEASE}"))
    return names


def check_units(project: Path) -> list[str]:
    """systemd says nothing about them, and little can be done with what they run."""
    with tempfile.TemporaryDirectory(prefix="slipway-units-") as root:
        units = lay_out(project, Path(root))
        verified = run(["systemd-analyze", "verify", f"--root={root}", *units], project)
        found = [str(verified).replace(root, "")] if verified.output or not verified.ok else []
        for unit in units:
            if unit.endswith(".service"):
                outcome = run(["systemd-analyze", "security", "--offline=true", f"--root={root}", unit], project)
                level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", outcome.output)
                if level is None or float(level[1]) > EXPOSURE:
                    found.append(str(outcome).replace(root, ""))
    return [*found, *careless_stops(project)]


def careless_stops(project: Path) -> Iterator[str]:
    """What systemd does not know of the service."""
    for file in sorted((project / "deploy/vm/systemd").glob("*.service")):
        text = file.read_text()
        seconds = re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
        if "Restart=always" in text and (seconds is None or int(seconds[1]) <= STOP_SECONDS):
            yield f"{file.name}: it has no time to stop"
        if re.search(r"app\.cli serve| worker ", text) and "KillMode=mixed" not in text:
            yield f"{file.name}: its processes hear twice that they are to stop, and end at once"


def check_variables(project: Path) -> list[str]:
    """Those that setup.sh asks for are settings, and it knows none of their secrets."""
    settings = {line.lstrip("#").split("=")[0] for line in (project / ".env.example").read_text().splitlines()}
    body = (project / "deploy/vm/setup.sh").read_text().partition('cat >"$settings" <<END\n')[2].partition("\nEND\n")[0]
    given = [line.partition("=") for line in body.splitlines() if not line.startswith("#")]
    # uvicorn reads this one.
    unknown = [name for name, _, _ in given if name not in {*settings, "WEB_CONCURRENCY"}]
    fixed = [name for name, _, value in given if value and not value.startswith("$")]
    found = [f"setup.sh: {name} is no setting" for name in unknown]
    found += [f"setup.sh: {name} has a value for everybody" for name in fixed]
    return found if given else ["setup.sh: no settings found"]


def check_scripts(project: Path) -> list[str]:
    """Of the shell, and of what is in them."""
    shell = commands("sh -c 'shellcheck deploy/vm/*.sh'")
    return [*shell(project), *check_variables(project)]


def check_site(project: Path) -> list[str]:
    """nginx's own test, with its folders and ports elsewhere."""
    slug = slug_of(project)
    with tempfile.TemporaryDirectory(prefix="slipway-site-") as name:
        folder = Path(name)
        issue(folder / "certificates")
        for file in (project / "deploy/nginx").glob("*.conf"):
            (folder / file.name).write_text(file.read_text())
        pieces = {
            f"/etc/nginx/{slug}/": f"{name}/",
            "/etc/letsencrypt/live/api.example.com/": f"{name}/certificates/",
            "/var/log/nginx/": f"{name}/",
            "listen 80;": "listen 127.0.0.1:8080;",
            "listen [::]:80;": "listen [::1]:8080;",
            "listen 443 ssl": "listen 127.0.0.1:8443 ssl",
            "listen [::]:443 ssl": "listen [::1]:8443 ssl",
        }
        (folder / "site.conf").write_text(replaced((project / "deploy/vm/nginx.conf").read_text(), pieces))
        (folder / "nginx.conf").write_text(SITE)
        outcome = run([debian_nginx(), "-p", name, "-e", "stderr", "-c", "nginx.conf", "-t"], folder)
        return [] if outcome.ok and "[warn]" not in outcome.output else [str(outcome).replace(name, "")]


ARTEFACTS = [
    Artefact(
        name="units",
        files=["deploy/vm/systemd/web@.service", "deploy/vm/systemd/*"],
        check=check_units,
        faults=[
            ("deploy/vm/systemd/web@.service", "Type=notify", "Type=notified"),
            ("deploy/vm/systemd/web@.service", "KillMode=mixed", "KillMode=control-group"),
            ("deploy/vm/systemd/web@.service", "TimeoutStopSec=40", "TimeoutStopSec=20"),
            ("deploy/vm/systemd/web@.service", "/.venv/bin/python", "/venv/bin/python"),
            ("deploy/vm/systemd/web@.service", "RestartSec", "RestartSecs"),
            ("deploy/vm/systemd/web.socket", "ListenStream=127.0.0.1:8000", "ListenStream=127.0.0.1"),
            ("deploy/vm/systemd/hardening.conf", "CapabilityBoundingSet=\n", "CapabilityBoundingSet=~\n"),
            ("deploy/vm/systemd/hardening.conf", "SystemCallFilter", "SystemCallFilters"),
        ],
    ),
    Artefact(
        name="scripts of a virtual machine",
        files=["deploy/vm/release.sh", "deploy/vm/*.sh", ".env.example"],
        check=check_scripts,
        faults=[
            ("deploy/vm/release.sh", '"${releases:?}/$1"', "$releases/$1"),
            ("deploy/vm/deploy.sh", 'name="$environment"', "name=$environment"),
            ("deploy/vm/setup.sh", "TRUSTED_HOSTS=$domain", "TRUSTED_HOST=$domain"),
            ("deploy/vm/setup.sh", "TRUSTED_HOSTS=$domain", "TRUSTED_HOSTS=api.example.com"),
        ],
    ),
    Artefact(
        name="nginx on a virtual machine",
        files=["deploy/vm/nginx.conf", "deploy/nginx/*.conf", "deploy/vm/systemd/web@.service"],
        check=check_site,
        faults=[
            ("deploy/vm/nginx.conf", "upstream service", "upstream services"),
            ("deploy/vm/nginx.conf", "keepalive_timeout 4s;", "keepalive_timeout;"),
            ("deploy/nginx/http.conf", "log_format service", "log_format services"),
        ],
    ),
]
