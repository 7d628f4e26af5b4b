"""Tools that speak to AWS, and what stands for it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness import ROOT
from harness.commands import run
from harness.projects import once
from harness.servers import running, wait_until

HARNESS = ROOT / "tests" / "harness"
TOOLS = ("moto[server]>=5.2.5", "awscli>=1.46", "aws-sam-cli>=1.150")


def tools(shared: Path) -> Path:
    """An environment with moto and the CLIs, whose demands on other packages are too narrow for ours."""

    def install(target: Path) -> None:
        outcome = run(f"uv venv --quiet --relocatable {target}", ROOT)
        assert outcome.ok, outcome
        outcome = run(["uv", "pip", "install", "--quiet", "--python", str(target / "bin" / "python"), *TOOLS], ROOT)
        assert outcome.ok, outcome

    return once(shared / "aws-tools", install)


def account(port: int) -> Mapping[str, str]:
    """The variables with which one speaks to moto instead."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def warm_cli(python: Path, folder: Path, name: str = "aws") -> Iterator[None]:
    """A program of this name in the folder."""
    folder.mkdir(exist_ok=True)
    log = folder / f"{name}.log"
    # Not with the harness among its modules: some are called like what SAM imports.
    with running([str(python), "-P", str(HARNESS / "warm_aws.py"), str(folder), name], folder, log) as server:
        wait_until((folder / name).stat, server, log)
        yield
