"""The pods of manifests, run as processes of rendered projects: a stand-in for the nodes of a cluster."""

import subprocess
import time
from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from harness.commands import environment
from harness.kubernetes import Cluster, Object
from harness.servers import free_port, stop

# What pods have for themselves and processes of one machine share.
PORTS = ("PORT", "METRICS_PORT", "METRICS_WORKER_PORT")
FOLDERS = ("TMPDIR", "CELERY_HEARTBEAT_FOLDER", "EVENTS_HEARTBEAT_FOLDER")
# Less than what the scripts have.
PATIENCE_SECONDS = 300
DONE = [{"type": "Complete", "status": "True"}]
GIVEN_UP = [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "it failed"}]
READY = [
    {"type": "Available", "status": "True"},
    {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
]
STUCK = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "it ended"}]


@dataclass
class Pod:
    """A running one."""

    image: str
    process: "subprocess.Popen[bytes]"
    variables: Mapping[str, str]

    @property
    def url(self) -> str:
        """Where it answers, if it does."""
        return f"http://127.0.0.1:{self.variables['PORT']}"


@dataclass
class Pods:
    """Does what Deployments and Jobs say, with one pod for each: what `Cluster` calls a node."""

    images: Mapping[str, Path]
    """Rendered projects. All run with the environment of the first one."""
    folder: Path
    running: dict[str, Pod] = field(default_factory=dict)
    ending: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    wanted: set[str] | None = None
    """The Deployments that are really run, None: all; the others are ready at once."""
    logs: dict[str, str] = field(default_factory=dict)

    def __call__(self, cluster: Cluster, it: Object) -> Object:
        return self.job(cluster, it) if it["kind"] == "Job" else self.deployment(cluster, it)

    def job(self, cluster: Cluster, it: Object) -> Object:
        pod = self.start(cluster, it)
        is_done = pod.process.wait(PATIENCE_SECONDS) == 0
        now = {"startTime": "2026-01-01T00:00:00Z"}
        if is_done:
            return {**now, "completionTime": "2026-01-01T00:00:00Z", "succeeded": 1, "conditions": DONE}
        return {**now, "failed": it["spec"]["backoffLimit"] + 1, "conditions": GIVEN_UP}

    def deployment(self, cluster: Cluster, it: Object) -> Object:
        """The former pod goes when the new one is ready; where two must not be, first."""
        name, ready = it["metadata"]["name"], {**counts(it), "conditions": READY}
        if self.wanted is not None and name not in self.wanted:
            return ready
        if it["spec"]["strategy"].get("type") == "Recreate":
            self.end(name)
        pod = self.start(cluster, it)
        if not self.is_ready(pod, it["spec"]["template"]["spec"]["containers"][0]):
            stop(pod.process)
            return {**ready, "updatedReplicas": 1, "unavailableReplicas": 1, "conditions": STUCK}
        self.end(name)
        self.running[name] = pod
        return ready

    def start(self, cluster: Cluster, it: Object) -> Pod:
        (container,) = it["spec"]["template"]["spec"]["containers"]
        name, image = it["metadata"]["name"], container["image"]
        own = self.folder / f"{name}-{it['metadata']['uid'][:8]}-{it['metadata']['generation']}"
        own.mkdir()
        variables = dict(variables_of(cluster, container))
        variables |= {port: str(free_port()) for port in PORTS if port in variables}
        variables |= dict.fromkeys(FOLDERS, str(own))
        program, *arguments = container["args"]
        with (own / "log").open("w") as log:
            process = subprocess.Popen(
                [str(self.program(program)), *arguments],
                cwd=self.images[image],
                env=environment(**variables, PYTHONDONTWRITEBYTECODE="1"),
                stdout=log,
                stderr=log,
            )
        self.logs[name] = str(own / "log")
        return Pod(image, process, variables)

    def program(self, name: str) -> Path:
        return next(iter(self.images.values())) / ".venv" / "bin" / name

    def is_ready(self, pod: Pod, container: Mapping[str, Any]) -> bool:
        """Whether what its probes ask succeeds, before it has ended or taken too long."""
        probes = [container[name] for name in ("startupProbe", "livenessProbe", "readinessProbe") if name in container]
        probes = [it for at, it in enumerate(probes) if asked(it) not in map(asked, probes[:at])]
        end = time.monotonic() + PATIENCE_SECONDS
        while probes and pod.process.poll() is None and time.monotonic() < end:
            if self.succeeds(pod, probes[0]):
                probes = probes[1:]
            else:
                time.sleep(0.1)
        return not probes and pod.process.poll() is None

    def succeeds(self, pod: Pod, probe: Mapping[str, Any]) -> bool:
        if "exec" in probe:
            program, *arguments = probe["exec"]["command"]
            command = [str(self.program(program)), *arguments]
            folder, variables = self.images[pod.image], environment(**pod.variables)
            return subprocess.run(command, cwd=folder, env=variables, capture_output=True, check=False).returncode == 0
        with suppress(httpx2.TransportError):
            # By the address of the pod, which is none of the names that it answers for.
            return httpx2.get(pod.url + probe["httpGet"]["path"], timeout=probe["timeoutSeconds"]).status_code == 200
        return False

    def end(self, name: str) -> None:
        """Ask the running pod to stop, as a node does; nobody waits for it."""
        if pod := self.running.pop(name, None):
            pod.process.terminate()
            self.ending.append(pod.process)

    def end_all(self) -> list[int]:
        """How each of them ended."""
        for name in list(self.running):
            self.end(name)
        for process in self.ending:
            # Not `stop`: a second signal would end it at once.
            try:
                process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return [process.returncode for process in self.ending]


def asked(probe: Mapping[str, Any]) -> Any:
    return probe.get("exec") or probe["httpGet"]


def counts(it: Object) -> Object:
    """The status of a Deployment of which all pods are ready."""
    names = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    return dict.fromkeys(names, it["spec"]["replicas"])


def variables_of(cluster: Cluster, container: Mapping[str, Any]) -> Mapping[str, str]:
    """The variables of a container. Raises `KeyError` for a key or an object that does not exist."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= cluster.objects["configmaps"][source["configMapRef"]["name"]]["data"]
    for one in container["env"]:
        if "value" in one:
            found[one["name"]] = one["value"]
        else:
            secret = one["valueFrom"]["secretKeyRef"]
            found[one["name"]] = b64decode(cluster.objects["secrets"][secret["name"]]["data"][secret["key"]]).decode()
    return found
