"""A Docker engine of our own, on a machine that has none and reaches no registry of images.

The programs are Debian's, unpacked into a folder, so that nothing of the machine changes. What images are built from
are stand-ins, made of Debian's packages and of the machine's own servers: they prove the steps of a Dockerfile and what
a container does, not what is in the official images. `SLIPWAY_DOCKER_CACHE` names a folder that keeps what was fetched
from one run to the next.
"""

import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from filelock import FileLock

from harness import ROOT
from harness.commands import Outcome, run
from harness.projects import once
from harness.servers import missing, postgresql_programs

# Its Docker is the oldest that knows all of the compose files, `start_interval` above all (25), and its Python is the
# template's default.
SUITE = "trixie"
PYTHON = "3.13"
UV = "0.13"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ENGINE = ("docker.io", "docker-cli", "docker-buildx", "containerd")
PLUGINS = "usr/libexec/docker/cli-plugins"
PATIENCE_SECONDS = 60
# By their numbers in the official images.
POSTGRES_UID, REDIS_UID = 70, 999


def cache() -> Path:
    """Where fetched programs are kept."""
    return Path(os.environ.get("SLIPWAY_DOCKER_CACHE") or ROOT / ".tools" / "docker")


def compose_program() -> Path:
    """The program `docker-compose`, which checks files without an engine."""
    return unpacked("compose", "docker-compose") / PLUGINS / "docker-compose"


def unpacked(name: str, *packages: str) -> Path:
    """A folder with the files of Debian packages, without what they depend on."""
    need("apt-get", "dpkg-deb")

    def fetch(target: Path) -> None:
        lists = target / "apt"
        (lists / "lists" / "partial").mkdir(parents=True)
        (lists / "archives" / "partial").mkdir(parents=True)
        (lists / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {SUITE} main\n")
        options = {
            "Dir::Etc::sourcelist": lists / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": lists / "lists",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": lists,
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
        }
        apt = ["apt-get", "-qq", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]
        for arguments in (["update"], ["download", *packages]):
            call([*apt, *arguments], target)
        for package in sorted(target.glob("*.deb")):
            call(["dpkg-deb", "-x", package.name, "."], target)
            package.unlink()
        shutil.rmtree(lists)

    return once(cache() / f"{SUITE}-{name}", fetch)


def mirror() -> str:
    """The address of Debian's packages that the machine itself uses."""
    address = r"(https?://\S+/debian)/?"
    pattern = re.compile(rf"^[^#\n]*?{address}\s*$|^deb\b[^#\n]*?{address}\s", re.MULTILINE)
    sources = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    for text in (path.read_text(errors="replace") for path in sources if path.is_file()):
        if found := pattern.search(text):
            return found[1] or found[2]
    raise RuntimeError("no source of Debian's packages in /etc/apt: what the tests need of Docker comes from there")


def need(*programs: str) -> None:
    """Skip where one is not installed, or fail."""
    for program in programs:
        if shutil.which(program) is None:
            missing(f"{program} is needed: install it (Debian: apt-get install {PACKAGES.get(program, program)})")


PACKAGES = {"apt-get": "apt", "dpkg-deb": "dpkg"}


def call(command: Sequence[str], folder: Path, **extra: str) -> str:
    """What it prints; raises `RuntimeError` where it fails."""
    outcome = run(command, folder, {"DEBIAN_FRONTEND": "noninteractive", **extra})
    if not outcome.ok:
        raise RuntimeError(str(outcome))
    return outcome.output


@dataclass(frozen=True)
class Docker:
    """A running engine."""

    folder: Path

    @property
    def mounts(self) -> Path:
        """Where it mounts things, apart from what pytest deletes: a run that is killed leaves them mounted."""
        return Path(tempfile.gettempdir()) / f"slipway-docker-{sha256(str(self.folder).encode()).hexdigest()[:8]}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What `docker` needs to find it."""
        programs = cache() / f"{SUITE}-engine"
        return {
            "DOCKER_HOST": f"unix://{self.folder}/docker.sock",
            "DOCKER_CONFIG": str(self.folder / "config"),
            "PATH": f"{programs}/usr/bin:{programs}/usr/sbin:{os.environ['PATH']}",
        }

    def __call__(
        self, *arguments: str, folder: Path | None = None, extra: Mapping[str, str] | None = None, timeout: float = 600
    ) -> Outcome:
        """What `docker` says, whatever that is."""
        return run(["docker", *arguments], folder or self.folder, {**self.environment, **(extra or {})}, timeout)

    def answer(self, *arguments: str, folder: Path | None = None, extra: Mapping[str, str] | None = None) -> str:
        """What `docker` prints; it must succeed."""
        outcome = self(*arguments, folder=folder, extra=extra)
        assert outcome.ok, outcome
        return outcome.output.strip()

    def build(self, project: Path, tag: str, *options: str) -> None:
        """An image of a project."""
        self.answer("build", "--network", "host", "--tag", tag, *options, ".", folder=project)


@contextmanager
def engine(folder: Path) -> Iterator[Docker]:
    """The engine of this run, with the stand-ins: whoever comes first starts it, whoever goes last stops it."""
    if os.geteuid() != 0:
        missing("root is needed to start a Docker engine")
    need("runc", "iptables", "mmdebstrap", "uv", "redis-server")
    unpacked("engine", *ENGINE)
    folder.mkdir(parents=True, exist_ok=True)
    docker, lock, users = Docker(folder), FileLock(folder / "lock"), folder / "users"
    with lock:
        count = int(users.read_text()) if users.exists() else 0
        if not count:
            try:
                start(docker)
            except BaseException:
                stop(docker)
                raise
        users.write_text(str(count + 1))
    try:
        yield docker
    finally:
        with lock:
            count = int(users.read_text()) - 1
            if not count:
                stop(docker)
            users.write_text(str(count))


def start(docker: Docker) -> None:
    """Returns when it has its images."""
    folder = docker.folder
    plugins = folder / "config" / "cli-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    for program in (compose_program(), cache() / f"{SUITE}-engine" / PLUGINS / "docker-buildx"):
        (plugins / program.name).unlink(missing_ok=True)
        (plugins / program.name).symlink_to(program)
    limit = subprocess.run(["sh", "-c", "ulimit -Hn"], check=True, capture_output=True, text=True).stdout.strip()
    command = [
        "dockerd",
        "--bridge=none",
        "--iptables=false",
        "--ip6tables=false",
        "--ip-forward=false",
        f"--data-root={folder}/data",
        f"--exec-root={docker.mounts}",
        f"--pidfile={folder}/dockerd.pid",
        f"--host=unix://{folder}/docker.sock",
        # More than the machine allows is refused.
        f"--default-ulimit=nofile={limit}:{limit}",
    ]
    with (folder / "dockerd.log").open("a") as log:
        # Nobody's child: another worker than this one may have to stop it.
        subprocess.run(
            ["setsid", "--fork", *command],
            check=True,
            cwd=folder,
            env={**os.environ, **docker.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    end = time.monotonic() + PATIENCE_SECONDS
    while not docker("info").ok:
        if time.monotonic() > end:
            raise RuntimeError((folder / "dockerd.log").read_text()[-4000:])
        time.sleep(0.1)
    if not docker("image", "inspect", f"python:{PYTHON}-slim").ok:
        make_stand_ins(docker)


def stop(docker: Docker) -> None:
    """With everything that runs in it."""
    pid = docker.folder / "dockerd.pid"
    if not pid.exists():
        return
    if left := docker("ps", "--all", "--quiet").output.split():
        docker("rm", "--force", "--volumes", *left)
    # Its bridges would stay.
    docker("network", "prune", "--force")
    os.kill(int(pid.read_text()), 15)
    end = time.monotonic() + PATIENCE_SECONDS
    while pid.exists() and time.monotonic() < end:
        time.sleep(0.1)
    # It leaves this one mounted.
    subprocess.run(["umount", "--quiet", str(docker.mounts / "netns/default")], check=False, capture_output=True)
    shutil.rmtree(docker.mounts, ignore_errors=True)


def make_stand_ins(docker: Docker) -> None:
    """Under the names that the files of a project ask for."""
    python = once(cache() / f"{SUITE}-python", make_python) / "root.tar"
    changes = [f"ENV {name}={value}" for name, value in index_settings().items()]
    options = [word for change in [*changes, 'CMD ["python3"]'] for word in ("--change", change)]
    docker.answer("import", *options, str(python), f"python:{PYTHON}-slim")
    for name, make in (("uv", uv_files), ("postgres", postgres_files), ("redis", redis_files)):
        files = docker.folder / name
        make(files)
        docker.build(files, STAND_INS[name])


STAND_INS = {
    "uv": f"ghcr.io/astral-sh/uv:{UV}",
    "postgres": "postgres:18-alpine",
    "redis": "redis:8-alpine",
}
PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def index_settings() -> dict[str, str]:
    """How this machine reaches the package index, so that a build does in the same way."""
    passed_on = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("UV_INDEX", "UV_DEFAULT_INDEX")) or name.lower().endswith("_proxy")
    }
    return {"PATH": PATH, "LANG": "C.UTF-8", "SSL_CERT_FILE": CERTIFICATES, **passed_on}


def make_python(target: Path) -> None:
    """Debian's Python where the official image has its own; unpacked only, which takes a quarter of the time."""
    target.mkdir()
    tar = target / "root.tar"
    packages = "base-files,coreutils,dash,libc-bin,libstdc++6,python3,tar"
    source = f"deb [signed-by={KEYRING}] {mirror()} {SUITE} main"
    options = ["--quiet", "--mode=root", "--variant=extract", f"--include={packages}"]
    call(["mmdebstrap", *options, SUITE, str(tar), source], target)
    users = [("root", 0), ("postgres", POSTGRES_UID), ("redis", REDIS_UID)]
    certificates = Path(os.environ.get("SSL_CERT_FILE") or CERTIFICATES).read_bytes()
    files = {
        "etc/passwd": "".join(f"{name}:x:{uid}:{uid}:{name}:/tmp:/bin/sh\n" for name, uid in users).encode(),
        "etc/group": "".join(f"{name}:x:{uid}:\n" for name, uid in users).encode(),
        CERTIFICATES[1:]: certificates,
    }
    with tarfile.open(tar, "a") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(data)
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(data))
        for name in ("python", "python3", f"python{PYTHON}"):
            entry = tarfile.TarInfo(f"./usr/local/bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, f"/usr/bin/python{PYTHON}"
            archive.addfile(entry)


def uv_files(target: Path) -> None:
    """This machine's uv."""
    target.mkdir(exist_ok=True)
    found = run(["uv", "run", "--no-project", "python", "-c", "import uv; print(uv.find_uv_bin())"], target)
    program = Path(found.output.strip()) if found.ok else Path(str(shutil.which("uv")))
    shutil.copy2(program, target / "uv")
    (target / "Dockerfile").write_text("FROM scratch\nCOPY uv /uv\n")


def postgres_files(target: Path) -> None:
    """This machine's PostgreSQL, started as the official image starts it."""
    programs = postgresql_programs()
    if programs is None:
        missing("PostgreSQL is needed: install it (Debian: apt-get install postgresql)")
    assert programs is not None
    home = programs.parent
    files = target / "files"
    for folder in (home / "lib", Path("/usr/share/postgresql") / home.name):
        if folder.is_dir():
            ignore = shutil.ignore_patterns("bitcode")
            shutil.copytree(folder, files / str(folder)[1:], dirs_exist_ok=True, ignore=ignore)
    names = ("postgres", "initdb", "pg_isready", "psql", "pg_dump", "pg_restore")
    copy_programs(files, [programs / name for name in names])
    (files / "usr/local/bin").mkdir(parents=True)
    for name in names:
        (files / "usr/local/bin" / name).symlink_to(programs / name)
    (target / "entrypoint").write_text(POSTGRES_ENTRYPOINT)
    (target / "Dockerfile").write_text(
        f"FROM python:{PYTHON}-slim\nCOPY files /\nCOPY --chmod=755 entrypoint /\n"
        # The modes are those of the official image.
        "RUN mkdir -p -m 1777 /var/lib/postgresql && mkdir -m 3777 /var/run/postgresql"
        f" && chown {POSTGRES_UID} /var/lib/postgresql /var/run/postgresql\n"
        'ENTRYPOINT ["/entrypoint"]\nCMD ["postgres"]\n'
    )


POSTGRES_ENTRYPOINT = f"""\
#!/bin/sh
set -e
if [ "$(id -u)" = 0 ]; then
  chown {POSTGRES_UID} /var/lib/postgresql
  become='import os, sys; os.setgid({POSTGRES_UID}); os.setuid({POSTGRES_UID}); os.execv(sys.argv[1], sys.argv[1:])'
  exec python3 -c "$become" "$0" "$@"
fi
export PGDATA=/var/lib/postgresql/18/docker
user=${{POSTGRES_USER:-postgres}}
method=${{POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}}
if [ ! -e "$PGDATA/PG_VERSION" ]; then
  if [ "$method" = trust ]; then password=; else password=--pwfile=${{POSTGRES_PASSWORD_FILE:?}}; fi
  initdb -U "$user" $password -A trust -E UTF8 --no-locale -N >/dev/null
  name=${{POSTGRES_DB:-$user}}
  [ "$name" = postgres ] || echo "create database $name" | postgres --single -j postgres >/dev/null
  echo "host all all all $method" >> "$PGDATA/pg_hba.conf"
fi
exec "$@" -c listen_addresses='*'
"""


def redis_files(target: Path) -> None:
    """This machine's Redis."""
    files = target / "files"
    programs = [Path(str(shutil.which(name))) for name in ("redis-server", "redis-cli")]
    copy_programs(files, [path.resolve() for path in programs])
    (files / "usr/local/bin").mkdir(parents=True)
    for path in programs:
        (files / "usr/local/bin" / path.name).symlink_to(path.resolve())
    (target / "Dockerfile").write_text(
        f"FROM python:{PYTHON}-slim\nCOPY files /\nRUN mkdir /data && chown {REDIS_UID} /data\nWORKDIR /data\n"
        # As the official image does: whoever reaches the network may connect.
        "RUN echo 'exec \"$@\" --protected-mode no' > /entrypoint\n"
        'ENTRYPOINT ["sh", "/entrypoint"]\nCMD ["redis-server"]\n'
    )


def copy_programs(files: Path, programs: Sequence[Path]) -> None:
    """Programs where they are, with the libraries that they are linked to."""
    wanted = set(programs)
    for program in programs:
        listed = subprocess.run(["ldd", str(program)], check=True, capture_output=True, text=True).stdout
        wanted |= {Path(found) for found in re.findall(r"=> (/\S+)", listed)}
    for path in wanted:
        # The image's own C library serves them: it is the newer one.
        if not re.match(r"(libc|libm|libpthread|libdl|librt|libresolv)\.so", path.name):
            place = files / str(path.resolve().parent)[1:] / path.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)
