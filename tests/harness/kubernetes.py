"""A stand-in for a cluster: as much of Kubernetes' API as Helm speaks, kept in memory.

There is no API server among the packages that the tests may use. This one stores objects, lists and watches them, and
asks `node` to do what they say: that is where a test runs the containers' commands. It checks no schema, which is what
`tests/artefacts/kubernetes.py` does, and gives no permissions.
"""

import json
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import MSG_DONTWAIT, MSG_PEEK
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import yaml

Object = dict[str, Any]
Node = Callable[["Cluster", Object], Object]
"""Does what a Deployment or a Job says, and returns its status."""

RESOURCES = {
    "v1": {
        "secrets": "Secret",
        "configmaps": "ConfigMap",
        "serviceaccounts": "ServiceAccount",
        "services": "Service",
        "pods": "Pod",
    },
    "apps/v1": {"deployments": "Deployment", "replicasets": "ReplicaSet"},
    "autoscaling/v2": {"horizontalpodautoscalers": "HorizontalPodAutoscaler"},
    "batch/v1": {"jobs": "Job"},
    "networking.k8s.io/v1": {"ingresses": "Ingress", "networkpolicies": "NetworkPolicy"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
}
DEFAULTS: Mapping[str, Object] = {"services": {"clusterIP": "10.96.0.1"}, "deployments": {"replicas": 1}}
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


class RefusedError(Exception):
    """An answer that is no success."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Cluster:
    """The objects, by kind and name: of one namespace, whatever it is called."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.objects: dict[str, dict[str, Object]] = {name: {} for kinds in RESOURCES.values() for name in kinds}
        self._events: list[tuple[int, str, str, Object]] = []
        self._changed = threading.Condition(threading.RLock())
        self.version = 0
        self.requests: list[str] = []

    def add(self, kind: str, name: str, **content: Any) -> None:
        """What exists before anything is deployed."""
        self.put(kind, name, {"metadata": {"name": name}, **content})

    def put(self, kind: str, name: str, new: Object) -> Object:
        """Store it as an API server does, and have the node do what it says."""
        for key, value in DEFAULTS.get(kind, {}).items():
            new["spec"].setdefault(key, value)
        with self._changed:
            old = self.objects[kind].get(name)
            meta: Object = {"uid": str(uuid4()), "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 0}
            if old is not None:
                meta |= {key: old["metadata"][key] for key in meta}
            is_new = old is None or old.get("spec") != new.get("spec")
            meta["generation"] += is_new
            new = {**new, "metadata": {**new["metadata"], **meta, "name": name}}
            if old is not None and not is_new and "status" in old:
                new["status"] = old["status"]
            self._store(kind, name, new, "ADDED" if old is None else "MODIFIED")
        if is_new and kind in {"deployments", "jobs"}:
            threading.Thread(target=self._work, args=(kind, name, new), daemon=True).start()
        return self.objects[kind][name]

    def delete(self, kind: str, name: str) -> None:
        """Forget it."""
        with self._changed:
            found = self.objects[kind].pop(name)
            self._note(kind, "DELETED", found)

    def events_after(self, version: int, kind: str) -> Iterator[tuple[int, str, Object] | None]:
        """What happens to a kind from a version on; None now and then, where nothing does."""
        while True:
            with self._changed:
                found = [(v, what, it) for v, of, what, it in self._events if v > version and of == kind]
                if not found:
                    self._changed.wait(0.5)
            yield from found
            if not found:
                yield None
            version = found[-1][0] if found else version

    def _work(self, kind: str, name: str, given: Object) -> None:
        status = self.node(self, given)
        with self._changed:
            current = self.objects[kind].get(name)
            if current is None or current["metadata"]["generation"] != given["metadata"]["generation"]:
                return
            status = {"observedGeneration": given["metadata"]["generation"], **status}
            if kind == "deployments":
                self._store("replicasets", name, replica_set(current, status), "ADDED")
            self._store(kind, name, {**current, "status": status}, "MODIFIED")

    def _store(self, kind: str, name: str, new: Object, what: str) -> None:
        self.objects[kind][name] = new
        self._note(kind, what, new)

    def _note(self, kind: str, what: str, it: Object) -> None:
        self.version += 1
        it["metadata"]["resourceVersion"] = str(self.version)
        self._events.append((self.version, kind, what, it))
        self._changed.notify_all()


def replica_set(deployment: Object, status: Object) -> Object:
    """What a Deployment starts its pods by; Helm 3 looks there whether they are ready."""
    name, spec = deployment["metadata"]["name"], deployment["spec"]
    owner = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": name,
        "uid": deployment["metadata"]["uid"],
        "controller": True,
    }
    meta = {"name": name, "labels": spec["selector"]["matchLabels"], "ownerReferences": [owner]}
    meta["generation"] = status["observedGeneration"]
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta, "spec": spec, "status": status}


def merged(old: Any, patch: Any) -> Any:
    """A strategic merge patch applied: maps by their keys, lists of named things by the names."""
    if isinstance(old, dict) and isinstance(patch, dict):
        result = {key: value for key, value in old.items() if patch.get(key, ...) is not None}
        for key, value in patch.items():
            if value is not None and not key.startswith("$"):
                result[key] = merged(old.get(key), value)
        return result
    named = (
        isinstance(patch, list)
        and isinstance(old, list)
        and all("name" in it for it in [*old, *patch] if isinstance(it, dict))
    )
    if not named or not all(isinstance(it, dict) for it in [*old, *patch]):
        return patch
    by_name = {it["name"]: it for it in old}
    gone = {it["name"] for it in patch if it.get("$patch") == "delete"}
    by_name |= {it["name"]: merged(by_name.get(it["name"]), it) for it in patch}
    return [it for name, it in by_name.items() if name not in gone]


def selects(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether labels fit; `=` alone, which is all that Helm uses."""
    return all(
        labels.get(key.rstrip("=")) == value
        for key, _, value in (part.partition("=") for part in selector.split(",") if part)
    )


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The parts of a protobuf message that have a length; none of the others matters here."""
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while at < len(data):
        key = number()
        length = number()
        if key & 7 == 2:
            yield key >> 3, data[at : at + length]
            at += length


def decoded(data: bytes) -> Any:
    """What was sent: YAML, JSON, or protobuf, in which Helm sends the secrets that hold its releases."""
    if not data.startswith(b"k8s\0"):
        return yaml.safe_load(data)
    envelope = dict(fields(data[4:]))
    secret = list(fields(envelope[2]))
    metadata = list(fields(dict(secret)[1]))
    pairs = [tuple(value for _, value in fields(it)) for number, it in metadata if number == 11]
    content = [tuple(value for _, value in fields(it)) for number, it in secret if number == 2]
    return {
        "metadata": {
            "name": dict(metadata)[1].decode(),
            "labels": {key.decode(): value.decode() for key, value in pairs},
        },
        "data": {key.decode(): b64encode(value).decode() for key, value in content},
        "type": dict(secret)[3].decode(),
    }


def discovery() -> Iterator[tuple[str, Object]]:
    """What there is, by the addresses at which clients look."""
    yield "/version", {"major": "1", "minor": "34", "gitVersion": "v1.34.5"}
    yield "/api", {"kind": "APIVersions", "versions": ["v1"]}
    groups = []
    for version, kinds in RESOURCES.items():
        group, _, number = version.rpartition("/")
        path = f"/apis/{version}" if group else f"/api/{version}"
        if group:
            it = {"groupVersion": version, "version": number}
            groups.append({"name": group, "versions": [it], "preferredVersion": it})
        listed = [
            {"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": VERBS}
            for name, kind in kinds.items()
        ]
        yield path, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": listed}
        # No schema, but the promise that the server checks fields: then Helm does not do so itself.
        promise = [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}]
        typed = [{"group": group, "version": number, "kind": kind} for kind in kinds.values()]
        paths = {
            f"{path}/{it['kind']}": {
                "patch": {"parameters": promise, "responses": {}, "x-kubernetes-group-version-kind": it}
            }
            for it in typed
        }
        about = {"title": "Kubernetes", "version": "v1.34.5"}
        yield f"/openapi/v3{path}", {"openapi": "3.0.0", "info": about, "paths": paths}
    yield "/apis", {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    parts = [f"apis/{version}" if "/" in version else f"api/{version}" for version in RESOURCES]
    yield "/openapi/v3", {"paths": {it: {"serverRelativeURL": f"/openapi/v3/{it}"} for it in parts}}


DISCOVERY = dict(discovery())


class Handler(BaseHTTPRequestHandler):
    """The HTTP of it."""

    protocol_version = "HTTP/1.1"
    cluster: Cluster

    def log_message(self, *_: object) -> None:
        """Nothing on the console."""

    def answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        sent = self.rfile.read(length)
        # How to delete something is of no concern here.
        body = decoded(sent) if sent and self.command != "DELETE" else None
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        self.cluster.requests.append(f"{self.command} {url.path}")
        try:
            found = DISCOVERY.get(url.path) or self.serve(url.path, query, body)
        except RefusedError as refusal:
            status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
            self.send(refusal.code, {**status, "reason": refusal.reason, "message": self.path, "code": refusal.code})
        else:
            if found is not None:
                self.send(201 if self.command == "POST" else 200, found)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

    def send(self, code: int, content: Object) -> None:
        data = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def serve(self, path: str, query: Mapping[str, str], body: Any) -> Object | None:
        """Read and change objects."""
        before, _, rest = path.partition("/namespaces/")
        _, _, rest = rest.partition("/")
        kind, _, name = rest.partition("/")
        version = before.removeprefix("/apis/").removeprefix("/api/")
        if kind not in RESOURCES.get(version, {}):
            raise RefusedError(404, "NotFound")
        typed = {"apiVersion": version, "kind": RESOURCES[version][kind]}
        if self.command == "POST":
            name = body["metadata"]["name"]
            if name in self.cluster.objects[kind]:
                raise RefusedError(409, "AlreadyExists")
            return self.cluster.put(kind, name, {**body, **typed})
        return self.one(kind, name, typed, body) if name else self.several(kind, typed, query)

    def one(self, kind: str, name: str, typed: Object, body: Any) -> Object:
        old = self.cluster.objects[kind].get(name)
        patch_type = self.headers.get("content-type", "")
        if self.command == "PATCH" and "apply-patch" in patch_type:
            return self.cluster.put(kind, name, {**body, **typed})
        if old is None:
            raise RefusedError(404, "NotFound")
        if self.command == "PATCH":
            return self.cluster.put(kind, name, merged(old, body))
        if self.command == "PUT":
            return self.cluster.put(kind, name, {**body, **typed})
        if self.command == "DELETE":
            self.cluster.delete(kind, name)
        return old

    def several(self, kind: str, typed: Object, query: Mapping[str, str]) -> Object | None:
        wanted = query.get("labelSelector", "")
        if "sendInitialEvents" in query:
            # Then the client lists first, and watches from there.
            raise RefusedError(422, "Invalid")
        if query.get("watch") in {"1", "true"}:
            self.watch(kind, int(query.get("resourceVersion") or 0), wanted)
            return None
        items = [it for it in self.cluster.objects[kind].values() if selects(wanted, it["metadata"].get("labels", {}))]
        listed = {"metadata": {"resourceVersion": str(self.cluster.version)}, "items": items}
        return {**typed, "kind": f"{typed['kind']}List", **listed}

    def watch(self, kind: str, version: int, wanted: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            for event in self.cluster.events_after(version, kind):
                if event and selects(wanted, event[2]["metadata"].get("labels", {})):
                    self.wfile.write(json.dumps({"type": event[1], "object": event[2]}).encode() + b"\n")
                elif event is None and self.is_gone():
                    return
        except OSError:
            return

    def is_gone(self) -> bool:
        """Whether the client has hung up."""
        try:
            return not self.connection.recv(1, MSG_PEEK | MSG_DONTWAIT)
        except BlockingIOError:
            return False


@contextmanager
def api_server(cluster: Cluster, folder: Path) -> Iterator[Path]:
    """The kubeconfig that leads to it."""
    handler = type("ClusterHandler", (Handler,), {"cluster": cluster})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": url}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": ""}}],
            "current-context": "test",
        }
        (folder / "kubeconfig").write_text(yaml.safe_dump(config))
        try:
            yield folder / "kubeconfig"
        finally:
            server.shutdown()
