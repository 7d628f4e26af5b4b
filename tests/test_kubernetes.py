"""The scripts of the Kubernetes target deploy a rendered project with Helm, and its pods run.

There is no cluster here: Helm speaks with a stand-in for its API, and the containers' commands run as processes of this
machine. What a cluster adds, and is not shown here: images, networks, permissions, the schedule of pods.
"""

import os
import secrets
import shutil
import signal
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from harness.commands import Outcome, run
from harness.environments import Environments
from harness.kubernetes import Cluster, Node, Object, api_server
from harness.pods import DONE, GIVEN_UP, READY, Pods, counts
from harness.projects import Renderer
from harness.servers import missing, new_database, redis
from harness.tools_kubernetes import helm

pytestmark = pytest.mark.deploy

ANSWERS = {
    "preset": "custom",
    "project_name": "Orders",
    "docker": True,
    "kubernetes": True,
    "celery": True,
    "events": True,
    "metrics": True,
}
CHART = "deploy/kubernetes/chart"
IMAGE = "registry.example.com/orders"


@dataclass
class Scripts:
    """The scripts of a project, and the cluster that they meet."""

    project: Path
    cluster: Cluster
    variables: dict[str, str]

    def deploy(self, tag: str) -> Outcome:
        return self.run("deploy.sh", "production", f"{IMAGE}:{tag}")

    def run(self, script: str, *arguments: str) -> Outcome:
        return run([f"deploy/kubernetes/{script}", *arguments], self.project, self.variables)

    def image(self, name: str = "orders") -> str:
        """Of a Deployment."""
        spec = self.cluster.objects["deployments"][name]["spec"]["template"]["spec"]
        return str(spec["containers"][0]["image"]).rpartition(":")[2]


@contextmanager
def scripts(project: Path, node: Node, folder: Path, version: str = "4") -> Iterator[Scripts]:
    if shutil.which("jq") is None:
        missing("jq is needed: install it (Debian: apt-get install jq)")
    cluster = Cluster(node)
    with api_server(cluster, folder) as kubeconfig:
        variables = {
            "PATH": f"{helm(version)}:{os.environ['PATH']}",
            "KUBECONFIG": str(kubeconfig),
            "HELM_CACHE_HOME": str(folder / "helm"),
        }
        yield Scripts(project, cluster, variables)


def name_the_hosts(project: Path) -> None:
    """What an owner does first."""
    for environment in ("staging", "production"):
        values = project / CHART / f"values-{environment}.yaml"
        values.write_text(values.read_text().replace("example.com", "orders.test"))


def with_fault(project: Path, target: Path, path: str, text: str) -> Path:
    """A version of the project that does not start; its environment is that of the project."""
    shutil.copytree(project, target, ignore=shutil.ignore_patterns(".venv", ".git"))
    (target / path).write_text(text)
    return target


def with_migration(project: Path, target: Path) -> Path:
    """The next version, which brings a migration."""
    shutil.copytree(project, target, ignore=shutil.ignore_patterns(".venv", ".git"))
    outcome = run([str(project / ".venv/bin/alembic"), "revision", "--message", "more"], target)
    assert outcome.ok, outcome
    return target


class TestReleases:
    def test_new_version_runs_and_bad_ones_are_undone(
        self, render: Renderer, environments: Environments, postgres: str, tmp_path: Path
    ) -> None:
        project = environments.install(render.project(tmp_path / "project", **ANSWERS)).folder
        name_the_hosts(project)
        broken = "raise SystemExit('out of order')\n"
        images = {
            f"{IMAGE}:1": project,
            f"{IMAGE}:bad-migration": with_fault(project, tmp_path / "migration", "migrations/env.py", broken),
            f"{IMAGE}:bad-start": with_fault(project, tmp_path / "start", "app/main.py", broken),
            f"{IMAGE}:2": with_migration(project, tmp_path / "next"),
        }
        (tmp_path / "pods").mkdir()
        pods = Pods(images, tmp_path / "pods")
        with (
            new_database(postgres) as database,
            redis() as redis_url,
            scripts(project, pods, tmp_path) as scene,
        ):
            given = {"DATABASE_URL": database, "REDIS_URL": redis_url, "SECRET_KEY": secrets.token_urlsafe(48)}
            data = {name: b64encode(value.encode()).decode() for name, value in given.items()}
            scene.cluster.add("secrets", "orders", data=data)
            try:
                self.check_first(scene, pods)
                # Whether these start was seen; from here on it is about what is served.
                pods.wanted = {"orders"}
                self.check_bad(scene, pods, "bad-migration")
                self.check_bad(scene, pods, "bad-start")
                self.check_next_and_back(scene, pods)
            finally:
                ended = pods.end_all()
            # 0, or by the signal that it was sent: none had to be killed.
            assert set(ended) <= {0, -signal.SIGTERM}

    def check_first(self, scene: Scripts, pods: Pods) -> None:
        """Each process starts with nothing but what the chart gives it, as production, and its probes succeed."""
        outcome = scene.deploy("1")
        logs = "\n".join(f"{name}:\n{Path(log).read_text()[-2000:]}" for name, log in pods.logs.items())
        assert outcome.ok, f"{outcome}\n{logs}"
        assert pods.running.keys() == {"orders", "orders-beat", "orders-consumer", "orders-worker"}
        assert "Running upgrade" in Path(pods.logs["orders-migration"]).read_text()
        assert "orders-migration" not in scene.cluster.objects["jobs"], "what succeeded is taken away"
        assert self.books(pods, "api.orders.test") == 401
        assert self.books(pods, "api.example.com") == 400, "it answers for the chart's host alone"

    def check_bad(self, scene: Scripts, pods: Pods, tag: str) -> None:
        """The deployment fails, and who was served before still is."""
        outcome = scene.deploy(tag)
        assert not outcome.ok
        assert "rolled back" in outcome.output
        assert scene.image() == pods.running["orders"].image.rpartition(":")[2] == "1"
        assert self.books(pods, "api.orders.test") == 401
        if tag == "bad-migration":
            assert "out of order" in Path(pods.logs["orders-migration"]).read_text()
            assert "orders-migration" in scene.cluster.objects["jobs"], "its log can be read"

    def check_next_and_back(self, scene: Scripts, pods: Pods) -> None:
        assert (outcome := scene.deploy("2")).ok, outcome
        assert scene.image() == "2"
        assert "more" in Path(pods.logs["orders-migration"]).read_text()
        # The schema stays, and the former version serves with it.
        assert (outcome := scene.run("rollback.sh", "production")).ok, outcome
        assert scene.image() == pods.running["orders"].image.rpartition(":")[2] == "1"
        assert self.books(pods, "api.orders.test") == 401
        assert not (outcome := scene.run("rollback.sh", "production")).ok
        assert "no version before" in outcome.output

    def books(self, pods: Pods, host: str) -> int:
        """The status of a request as the proxy passes it on: of somebody who is not logged in."""
        return httpx2.get(f"{pods.running['orders'].url}/api/v1/books", headers={"Host": host}).status_code


def willing(_: Cluster, it: Object) -> Object:
    """A node where all goes well but what is called bad."""
    if it["kind"] == "Job":
        image = it["spec"]["template"]["spec"]["containers"][0]["image"]
        return {"failed": 3, "conditions": GIVEN_UP} if image.endswith("bad") else {"succeeded": 1, "conditions": DONE}
    return {**counts(it), "conditions": READY}


class TestScripts:
    @pytest.fixture
    def project(self, render: Renderer, tmp_path: Path) -> Path:
        project = tmp_path / "project"
        shutil.copytree(render(preset="everything", project_name="Orders"), project)
        name_the_hosts(project)
        return project

    def test_helm_3_deploys_and_rolls_back_as_well(self, project: Path, tmp_path: Path) -> None:
        with scripts(project, willing, tmp_path, "3") as scene:
            assert (outcome := scene.deploy("1")).ok, outcome
            assert (outcome := scene.deploy("2")).ok, outcome
            assert not scene.deploy("bad").ok
            assert scene.image() == "2"
            assert (outcome := scene.run("rollback.sh", "production")).ok, outcome
            assert scene.image() == "1"

    def test_example_names_are_refused(self, project: Path, render: Renderer, tmp_path: Path) -> None:
        fresh = render(preset="everything", project_name="Orders")
        shutil.copy(fresh / CHART / "values-production.yaml", project / CHART)
        with scripts(project, willing, tmp_path) as scene:
            outcome = scene.deploy("1")
            assert not outcome.ok
            assert "host: api.example.com" in outcome.output
            assert scene.cluster.requests == []

    def test_wrong_arguments_and_values_change_nothing(self, project: Path, tmp_path: Path) -> None:
        with scripts(project, willing, tmp_path) as scene:
            for script, *arguments in (
                ("deploy.sh", "production"),
                ("deploy.sh", "development", f"{IMAGE}:1"),
                ("rollback.sh",),
                ("rollback.sh", "development"),
            ):
                outcome = scene.run(script, *arguments)
                assert outcome.status == 2
                assert "usage: " in outcome.output
            outcome = scene.deploy("latest")
            assert not outcome.ok
            assert "values don't meet the specifications of the schema" in outcome.output
            assert not [it for it in scene.cluster.requests if not it.startswith("GET")]

    def test_alerts_are_handed_over(self, project: Path) -> None:
        """As `deploy.sh` does; their own expressions survive both template languages."""
        rules = f"alerts.rules.service={project}/monitoring/service/alerts.yml"
        options = f"--set image={IMAGE}:1 --set alerts.enabled=true --set-file {rules}"
        outcome = run(f"{helm()}/helm template orders {CHART} {options}", project)
        assert outcome.ok, outcome
        assert "kind: PrometheusRule" in outcome.output
        assert "alert: ServiceDown" in outcome.output
