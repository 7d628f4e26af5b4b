"""What a platform's files say of a project in common: which commands it runs, with which variables."""

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# What every artefact that runs a process must run, and nothing else: what compose.yaml and the documentation run too.
COMMANDS: Mapping[str, str] = {
    "release": "alembic upgrade head",
    "web": "python -m app.cli serve",
    "worker": "celery -q -A app.worker worker --concurrency=2 --without-gossip --without-mingle",
    "beat": "celery -q -A app.worker beat --pidfile=",
    "consumer": "python -m app.cli events consume",
}
# Where a process is there, so is the file.
NEEDED_BY = {
    "release": "alembic.ini",
    "worker": "app/worker.py",
    "beat": "app/worker.py",
    "consumer": "app/infrastructure/events/__init__.py",
}
# For the `files` of an artefact: what is read of a project besides its own files.
PROJECT_FILES = (".env.example", *sorted(set(NEEDED_BY.values())))

# What production refuses to do without, where the project knows it at all: `test_production_refuses_what_is_missing`.
REQUIRED = frozenset(
    {
        "CELERY_BROKER_URL",
        "DATABASE_URL",
        "EMAIL_LINK_URL",
        "EMAIL_SENDER",
        "EMAIL_SMTP_HOST",
        "REDIS_URL",
        "SECRET_KEY",
        "STORAGE_BUCKET",
    }
)
# Read by the server itself.
SERVER_VARIABLES = frozenset({"FORWARDED_ALLOW_IPS", "WEB_CONCURRENCY"})
SECRET = re.compile(r"(^|_)(KEY|PASSWORD|TOKEN|DSN)(_|$)|SECRET|^(DATABASE|REDIS|CELERY_BROKER)_URL$")

Variables = Mapping[str, str | None]


@dataclass(frozen=True)
class Platform:
    """One platform's files."""

    processes: Mapping[str, str]
    """Commands by their names in `COMMANDS`."""
    variables: Variables
    """With their values; None: a reference to a secret, or to be set by whoever deploys."""
    provided: frozenset[str] = frozenset()
    """What the platform sets by itself."""

    def problems(self, project: Path) -> Iterator[str]:
        """What its own tools cannot know."""
        expected = {
            name: command
            for name, command in COMMANDS.items()
            if name not in NEEDED_BY or (project / NEEDED_BY[name]).exists()
        }
        if self.processes != expected:
            yield f"runs {dict(self.processes)}, not {expected}"
        known = settings_of(project)
        required = {name for name in REQUIRED & known if not (name == "CELERY_BROKER_URL" and shares_redis(project))}
        yield from (f"{name}: there is no such setting" for name in sorted(self.variables.keys() - known))
        yield from (f"{name} is missing" for name in sorted(required - self.variables.keys() - self.provided))
        for name, value in sorted(self.variables.items()):
            if value is not None and SECRET.search(name) and not name.endswith(("_VERIFY", "_HOST")):
                yield f"{name} is a secret, and its value is here"
        if self.variables.get("FORWARDED_ALLOW_IPS") in {None, "", "*"}:
            yield "FORWARDED_ALLOW_IPS must name who is in front"


def settings_of(project: Path) -> set[str]:
    """Every variable of a project; one of its own tests keeps the example complete."""
    names = re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (project / ".env.example").read_text(), re.MULTILINE)
    return {*names} | SERVER_VARIABLES


def shares_redis(project: Path) -> bool:
    """Whether Celery needs no broker of its own."""
    return "that of REDIS_URL, and without that one tasks run" in (project / ".env.example").read_text()


def floating(texts: Mapping[str, str]) -> Iterator[str]:
    """Images and secrets whose name says nothing of their version."""
    for name, text in texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(r":\s*\"?latest\b", line) and ":latest ]]" not in line and "must not be :latest" not in line:
                yield f"{name}:{number}: {line.strip()}"


def joined(words: Iterable[str]) -> str:
    """A command that is a list, as the others write it."""
    return shlex.join(words)


GCLOUD = """\
#!/bin/sh
# Writes down what it was asked, keeps the files that it is to apply, and answers from a folder.
echo "$*" >> "$GCLOUD_FOLDER/calls"
case "$3" in
replace) cp "$4" "$GCLOUD_FOLDER/" ;;
esac
case "$*" in
$GCLOUD_FAILS) exit 1 ;;
esac
answer="$GCLOUD_FOLDER/answers/$2-$3"
[ ! -f "$answer" ] || cat "$answer"
"""


def fake_gcloud(folder: Path) -> dict[str, str]:
    """The variables with which scripts find a gcloud that only takes notes in `folder`."""
    program = folder / "bin" / "gcloud"
    program.parent.mkdir(parents=True)
    program.write_text(GCLOUD)
    program.chmod(0o755)
    return {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "GCLOUD_FOLDER": str(folder),
        "GCLOUD_FAILS": "",
        "GOOGLE_CLOUD_PROJECT": "a-project",
        "GOOGLE_CLOUD_REGION": "europe-west3",
    }
