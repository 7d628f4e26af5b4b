"""What a pipeline does with a release: in which order, by which scripts, and the scripts themselves for real."""

import json
import os
import shutil
import threading
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from harness.commands import Outcome, run
from harness.environments import Environments
from harness.projects import Renderer
from harness.servers import free_port, missing, running, served

pytestmark = pytest.mark.deploy

# All that CI deploys to, together; Lambda with what it allows.
SERVERS = {"docker": True, "aws_ecs": True, "kubernetes": True, "vm": True}
TARGETS: list[Mapping[str, Any]] = [
    {**SERVERS, "cloud": "cloud_run"},
    {**SERVERS, "cloud": "fly"},
    {"aws_lambda": True},
]
RELEASE = "4f2a9c1d"


def rendered(render: Renderer, ci: str, targets: Mapping[str, Any]) -> Path:
    return render(preset="minimal", ci=ci, **targets)


def workflow(project: Path, name: str) -> Mapping[str, Any]:
    return dict(yaml.safe_load((project / f".github/workflows/{name}.yml").read_text()))


def commands_of(job: Mapping[str, Any]) -> list[str]:
    return [line.strip() for step in job["steps"] for line in step.get("run", "").splitlines()]


class TestGithub:
    @pytest.mark.parametrize("targets", TARGETS, ids=str)
    def test_each_environment_waits_for_what_comes_before(self, render: Renderer, targets: Mapping[str, Any]) -> None:
        jobs = workflow(rendered(render, "github", targets), "deploy")["jobs"]
        before = ["checks", "image"] if "docker" in targets else ["checks"]

        assert list(jobs) == [*before, "staging", "production"]
        assert jobs["checks"]["uses"] == "$/.github/workflows/ci.yml"
        assert needs(jobs["staging"]) == before
        assert "staging" in needs(jobs["production"])
        assert "if" not in jobs["production"]
        assert all(needs(job) for name, job in jobs.items() if name != "checks")
        for environment in ("staging", "production"):
            assert jobs[environment]["with"]["environment"] == environment
            assert jobs[environment]["uses"] == "$/.github/workflows/rollout.yml"

    @pytest.mark.parametrize("targets", TARGETS, ids=str)
    def test_a_release_is_rolled_back_only_where_it_was_rolled_out_and_does_not_answer(
        self, render: Renderer, targets: Mapping[str, Any]
    ) -> None:
        jobs = workflow(rendered(render, "github", targets), "rollout")["jobs"]
        expected = {it for it in targets if it != "docker"} - {"cloud"} | {targets.get("cloud", "aws_lambda")}

        assert set(jobs) == expected
        for name, job in jobs.items():
            deploy, smoke, back = job["steps"][-3:]
            assert deploy["run"].startswith(f'deploy/{name}/deploy.sh "$STAGE"')
            assert smoke["run"] == 'deploy/smoke.sh "$SERVICE_URL" "$RELEASE"'
            assert back["run"] == f'deploy/{name}/rollback.sh "$STAGE"'
            assert back["if"] == f"failure() && steps.{smoke['id']}.outcome == 'failure'"
            assert not any("if" in step for step in job["steps"][:-1])
            assert job["env"]["STAGE"] == "${{ inputs.environment }}"
            assert job["env"]["RELEASE"] == "${{ github.sha }}"

    @pytest.mark.parametrize("targets", TARGETS, ids=str)
    def test_the_caller_grants_what_is_used_and_no_more(self, render: Renderer, targets: Mapping[str, Any]) -> None:
        project = rendered(render, "github", targets)
        used: dict[str, str] = {}
        for job in workflow(project, "rollout")["jobs"].values():
            used |= job["permissions"]
        secrets = "secrets." in (project / ".github/workflows/rollout.yml").read_text()

        for environment in ("staging", "production"):
            caller = workflow(project, "deploy")["jobs"][environment]
            assert caller["permissions"] == used
            assert (caller.get("secrets") == "inherit") is secrets

    def test_nothing_but_the_scanned_image_is_pushed(self, render: Renderer) -> None:
        job = workflow(rendered(render, "github", TARGETS[0]), "deploy")["jobs"]["image"]
        uses = [step.get("uses", "").partition("@")[0] for step in job["steps"]]
        builds = [step["with"] for step in job["steps"] if step.get("uses", "").startswith("docker/build-push-action")]

        assert uses.index("anchore/scan-action") < uses.index("docker/login-action")
        assert [build.get("push", False) for build in builds] == [False, True]
        assert builds[0]["build-args"] == builds[1]["build-args"] == "REVISION=${{ github.sha }}"
        assert builds[0]["tags"] == builds[1]["tags"] == "${{ steps.name.outputs.image }}:${{ github.sha }}"
        assert (builds[1]["provenance"], builds[1]["sbom"]) == ("mode=max", True)

    def test_an_image_has_a_name_that_registries_take(self, render: Renderer, tmp_path: Path) -> None:
        job = workflow(rendered(render, "github", TARGETS[0]), "deploy")["jobs"]["image"]
        script = next(step["run"] for step in job["steps"] if step.get("id") == "name")
        output = tmp_path / "output"
        extra = {"GITHUB_REPOSITORY": "Acme/Order-Service", "GITHUB_OUTPUT": str(output)}

        assert run(["bash", "-euo", "pipefail", "-c", script], tmp_path, extra).ok
        assert output.read_text() == "image=ghcr.io/acme/order-service\n"

    def test_platforms_that_deploy_from_git_need_no_workflow(self, render: Renderer) -> None:
        project = render(preset="minimal", ci="github", heroku=True)

        assert not (project / ".github/workflows/deploy.yml").exists()
        assert "push" in workflow(project, "ci")[True]  # type: ignore[index]  # YAML's `on`

    def test_without_a_target_the_image_is_pushed_and_nothing_deployed(self, render: Renderer) -> None:
        project = render(preset="minimal", ci="github", docker=True)

        assert list(workflow(project, "deploy")["jobs"]) == ["checks", "image"]
        assert not (project / ".github/workflows/rollout.yml").exists()
        assert not (project / "deploy").exists()


def needs(job: Mapping[str, Any]) -> list[str]:
    found = job.get("needs", [])
    return [found] if isinstance(found, str) else list(found)


class TestChecks:
    """The suite runs these commands in every row; here: that CI runs the same."""

    CHECKS = ("uv run ruff format --check", "uv run ruff check", "uv run mypy", "uv run lint-imports")

    def test_github_runs_what_the_readme_says(self, render: Renderer) -> None:
        project = render(preset="api")
        jobs = workflow(project, "ci")["jobs"]

        assert " && ".join(self.CHECKS) in (project / "README.md").read_text()
        assert [line for line in commands_of(jobs["checks"]) if line.startswith("uv run")] == list(self.CHECKS)
        tests = commands_of(jobs["tests"])
        migrations = "uv run alembic upgrade head && uv run alembic check && uv run alembic downgrade base"
        assert tests[-4:] == ["uv sync", "uv run pytest --cov", "uv run pytest --cov --cov-append", migrations]

    def test_gitlab_runs_the_same(self, render: Renderer) -> None:
        project = render(preset="api", ci="gitlab")
        jobs = yaml.safe_load((project / ".gitlab-ci.yml").read_text())

        assert [line for line in jobs["checks"]["script"] if line.startswith("uv run")] == list(self.CHECKS)
        assert jobs["tests"]["script"][-3:] == [
            "uv run alembic upgrade head",
            "uv run alembic check",
            "uv run alembic downgrade base",
        ]


class TestGitlab:
    @pytest.mark.parametrize("targets", TARGETS, ids=str)
    def test_each_environment_waits_for_what_comes_before(self, render: Renderer, targets: Mapping[str, Any]) -> None:
        document = yaml.safe_load((rendered(render, "gitlab", targets) / ".gitlab-ci.yml").read_text())
        names = {it for it in targets if it not in {"docker", "cloud"}} | {targets.get("cloud", "aws_lambda")}

        assert document["stages"] == ["test", "image", "staging", "production"]
        for name in names:
            for environment in ("staging", "production"):
                job = document[f"{name} {environment}"]
                assert job["extends"] == [f".{name}", f".{environment}"]
                assert document[f".{environment}"]["environment"]["name"] == environment
                assert document[f".{environment}"]["stage"] == environment
        assert document[".production"]["rules"][0]["when"] == "manual"
        assert "when" not in document[".staging"]["rules"][0]

    @pytest.mark.parametrize("targets", TARGETS, ids=str)
    def test_a_release_that_does_not_answer_is_rolled_back(
        self, render: Renderer, targets: Mapping[str, Any], tmp_path: Path
    ) -> None:
        """The last two lines of each, with scripts that write down how they were called."""
        document = yaml.safe_load((rendered(render, "gitlab", targets) / ".gitlab-ci.yml").read_text())
        for name in {it for it in targets if it not in {"docker", "cloud"}} | {targets.get("cloud", "aws_lambda")}:
            script = "\n".join(document[f".{name}"]["script"][-2:])
            assert called(script, tmp_path / name / "right", name, "") == ["deploy", "smoke"]
            assert called(script, tmp_path / name / "silent", name, "smoke") == ["deploy", "smoke", "rollback", "!"]
            assert called(script, tmp_path / name / "broken", name, "deploy") == ["deploy", "!"]

    def test_the_digest_is_read_from_what_the_build_says(self, render: Renderer, tmp_path: Path) -> None:
        project = rendered(render, "gitlab", TARGETS[0])
        script = yaml.safe_load((project / ".gitlab-ci.yml").read_text())["publish"]["script"][-3:]
        digest = f"sha256:{'a' * 64}"
        said = {"containerimage.config.digest": f"sha256:{'b' * 64}", "containerimage.digest": digest, "x": 1}

        for indent in (None, 2):
            (tmp_path / "image.json").write_text(json.dumps(said, indent=indent))
            assert run(["sh", "-euc", "\n".join(script)], tmp_path, {"CI_REGISTRY_IMAGE": "registry/a"}).ok
            assert (tmp_path / "image.env").read_text() == f"IMAGE=registry/a@{digest}\n"
        (tmp_path / "image.json").write_text("{}")
        assert not run(["sh", "-euc", "\n".join(script)], tmp_path, {"CI_REGISTRY_IMAGE": "registry/a"}).ok


def called(script: str, folder: Path, target: str, failing: str) -> list[str]:
    """Which scripts were called; `!` at the end where the job failed."""
    for name in ("deploy", "rollback", "smoke"):
        path = folder / "deploy" / (f"{name}.sh" if name == "smoke" else f"{target}/{name}.sh")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\necho {name} >> called\n{'exit 1' if name == failing else ''}\n")
        path.chmod(0o755)
    outcome = run(["bash", "-euo", "pipefail", "-c", script], folder, Defaults())
    return [*(folder / "called").read_text().split(), *([] if outcome.ok else ["!"])]


class Defaults(dict[str, str]):
    """The variables that the scripts name."""

    def __init__(self) -> None:
        names = ("AWS_ECS", "AWS_LAMBDA", "CLOUD_RUN", "FLY", "KUBERNETES", "VM")
        super().__init__({f"{name}_URL": "https://a.example" for name in names})
        self.update(
            AWS_ECS_REPOSITORY="registry.example/a",
            CLOUD_RUN_REPOSITORY="registry.example/a",
            FLY_APP="a",
            IMAGE="registry.example/b@sha256:c",
            RELEASE=RELEASE,
            CI_ENVIRONMENT_NAME="staging",
        )


@dataclass
class Stub:
    """Answers probes as it is told to."""

    answers: list[tuple[int, str]]
    """Status of `/health/ready` and release of `/health/live`, one a look; the last one stays."""
    asked: list[str] = field(default_factory=list)

    @contextmanager
    def listening(self) -> Iterator[str]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stub.asked.append(self.path)
                ready, release = stub.answers[0]
                if (self.path == "/health/live" or ready != 200) and len(stub.answers) > 1:
                    stub.answers.pop(0)
                body = json.dumps({"status": "ok", "release": release}, separators=(",", ":")).encode()
                self.send_response(ready if self.path == "/health/ready" else 200)
                self.send_header("Location", "https://a.example/")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class TestSmoke:
    @pytest.fixture
    def project(self, render: Renderer) -> Path:
        return rendered(render, "github", TARGETS[2])

    def smoke(self, project: Path, *arguments: str, seconds: int = 30) -> Outcome:
        return run([str(project / "deploy/smoke.sh"), *arguments], project, {"SMOKE_SECONDS": str(seconds)}, timeout=60)

    def test_the_service_itself_answers(self, render: Renderer, environments: Environments, tmp_path: Path) -> None:
        project = render.project(tmp_path / "project", preset="minimal", aws_lambda=True)
        environments.install(project)
        with served(project, RELEASE=RELEASE) as url:
            assert httpx2.get(f"{url}/health/live").json() == {"status": "ok", "release": RELEASE}
            right, other = self.smoke(project, f"{url}/", RELEASE), self.smoke(project, url, "4f2a", seconds=1)

        assert right.ok
        assert right.output == f"{url} is ready, release {RELEASE}.\n"
        assert other.status == 1
        assert "not release 4f2a, but" in other.output

    def test_waits_for_what_is_not_there_yet(self, project: Path) -> None:
        stub = Stub([(503, "old"), (200, "old"), (200, "new")])
        with stub.listening() as url:
            assert self.smoke(project, url, "new").ok

    def test_does_not_trust_one_answer(self, project: Path) -> None:
        """While instances are replaced, old and new ones answer in turn."""
        stub = Stub([(200, "new"), (200, "old"), (200, "new"), (200, "new"), (200, "old"), (200, "new")])
        with stub.listening() as url:
            assert self.smoke(project, url, "new").ok
        assert stub.asked.count("/health/live") == 8

    def test_a_release_need_not_be_named(self, project: Path) -> None:
        stub = Stub([(200, "any")])
        with stub.listening() as url:
            outcome = self.smoke(project, url)
        assert outcome.ok
        assert set(stub.asked) == {"/health/ready", "/health/live"}

    def test_a_proxy_may_keep_readiness_to_itself(self, project: Path) -> None:
        with Stub([(404, "new")]).listening() as url:
            assert self.smoke(project, url, "new").ok
            assert not self.smoke(project, url, "other", seconds=1).ok

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            ((503, "new"), "/health/ready: status 503"),
            ((301, "new"), "/health/ready: status 301"),
            ((200, "new2"), "/health/live: not release new, but"),
            ((200, "renew"), "/health/live: not release new, but"),
        ],
    )
    def test_says_what_is_wrong(self, project: Path, answer: tuple[int, str], reason: str) -> None:
        with Stub([answer]).listening() as url:
            outcome = self.smoke(project, url, "new", seconds=1)
        assert outcome.status == 1
        assert reason in outcome.output

    def test_says_that_nobody_answers(self, project: Path) -> None:
        outcome = self.smoke(project, f"http://127.0.0.1:{free_port()}", seconds=1)
        assert outcome.status == 1
        assert "/health/ready: curl: (7)" in outcome.output
        assert "000" not in outcome.output.replace("1000", "")

    def test_says_how_it_is_called(self, project: Path) -> None:
        assert self.smoke(project).status == 2


class TestCopies:
    """Two registries on this machine, and an image with what BuildKit puts beside it."""

    @pytest.fixture
    def registries(self, tmp_path: Path) -> Iterator[list[str]]:
        for program, package in (("skopeo", "skopeo"), ("docker-registry", "docker-registry")):
            if shutil.which(program) is None:
                missing(f"{program} is needed: install it (Debian: apt-get install {package})")
        with ExitStack() as stack:
            addresses = []
            for name in ("one", "two"):
                port = free_port()
                configuration = tmp_path / f"{name}.yml"
                storage = {"filesystem": {"rootdirectory": str(tmp_path / name)}}
                configuration.write_text(
                    json.dumps({"version": 0.1, "storage": storage, "http": {"addr": f"127.0.0.1:{port}"}})
                )
                command = ["docker-registry", "serve", str(configuration)]
                stack.enter_context(running(command, tmp_path, tmp_path / f"{name}.log", port))
                addresses.append(f"127.0.0.1:{port}")
            yield addresses

    def copy(self, project: Path, folder: Path, *arguments: str) -> Outcome:
        """As CI does, but without TLS."""
        settings = folder / ".config/containers"
        settings.mkdir(parents=True, exist_ok=True)
        hosts = {it.partition("/")[0] for it in arguments[:2]}
        settings.joinpath("registries.conf").write_text(
            "".join(f'[[registry]]\nlocation = "{it}"\ninsecure = true\n' for it in hosts)
        )
        settings.joinpath("policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        extra = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / ".config")}
        return run([str(project / "deploy/copy_image.sh"), *arguments], project, extra)

    def test_everything_is_copied_under_the_same_digest(
        self, render: Renderer, registries: list[str], tmp_path: Path
    ) -> None:
        project = rendered(render, "github", TARGETS[0])
        source, target = (f"http://{it}/v2" for it in registries)
        digest, parts = push(f"{source}/a/service")
        image, repository = f"{registries[0]}/a/service@{digest}", f"{registries[1]}/b/service"

        first = self.copy(project, tmp_path, image, repository, "v1")
        assert first.ok, first
        found = httpx2.get(f"{target}/b/service/manifests/v1", headers={"Accept": INDEX})
        assert f"sha256:{sha256(found.content).hexdigest()}" == digest
        for part in parts:
            assert httpx2.get(f"{target}/b/service/manifests/{part}", headers={"Accept": MANIFEST}).is_success

        again = self.copy(project, tmp_path, image, repository, "v1")
        assert again.ok
        assert again.output == f"{repository} has it.\n"

    def test_a_tag_is_not_enough(self, render: Renderer, tmp_path: Path) -> None:
        project = rendered(render, "github", TARGETS[0])
        outcome = self.copy(project, tmp_path, "registry.example/a:v1", "registry.example/b", "v1")
        assert outcome.status == 2
        assert "no image with a digest" in outcome.output


INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def push(repository: str) -> tuple[str, list[str]]:
    """An image and its attestation, by an index: its digest, and those of both."""

    def blob(data: bytes) -> dict[str, Any]:
        digest = f"sha256:{sha256(data).hexdigest()}"
        where = httpx2.post(f"{repository}/blobs/uploads/").headers["location"]
        response = httpx2.put(f"{where}&digest={digest}" if "?" in where else f"{where}?digest={digest}", content=data)
        assert response.status_code == 201, response.text
        return {"digest": digest, "size": len(data)}

    def manifest(document: Mapping[str, Any], tag: str = "") -> dict[str, Any]:
        data = json.dumps(document).encode()
        digest = f"sha256:{sha256(data).hexdigest()}"
        headers = {"Content-Type": str(document["mediaType"])}
        response = httpx2.put(f"{repository}/manifests/{tag or digest}", content=data, headers=headers)
        assert response.status_code == 201, response.text
        return {"mediaType": document["mediaType"], "digest": digest, "size": len(data)}

    parts = []
    for platform, kind in (
        ("amd64", "application/vnd.oci.image.layer.v1.tar"),
        ("unknown", "application/vnd.in-toto+json"),
    ):
        system = "linux" if platform == "amd64" else "unknown"
        configuration = json.dumps({"architecture": platform, "os": system, "rootfs": {"type": "layers"}}).encode()
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **blob(configuration)},
            "layers": [{"mediaType": kind, **blob(f"of {platform}".encode())}],
        }
        parts.append({**manifest(document), "platform": {"architecture": platform, "os": system}})
    index = manifest({"schemaVersion": 2, "mediaType": INDEX, "manifests": parts}, "latest")
    return str(index["digest"]), [part["digest"] for part in parts]


class TestFly:
    """Fly.io cannot be had here: what its program is told."""

    def call(self, project: Path, folder: Path, script: str, *arguments: str, releases: object = ()) -> list[str]:
        folder.mkdir()
        program = folder / "flyctl"
        program.write_text(
            f'#!/bin/sh\nif [ "$1" = releases ]; then echo \'{json.dumps(releases)}\'; else echo "$@"; fi\n'
        )
        program.chmod(0o755)
        extra = {"PATH": f"{folder}:{os.environ['PATH']}"}
        outcome = run([str(project / f"deploy/fly/{script}.sh"), *arguments], project, extra)
        return outcome.output.splitlines() if outcome.ok else [str(outcome.status)]

    def test_each_environment_is_an_app_of_its_own(self, render: Renderer, tmp_path: Path) -> None:
        project = rendered(render, "github", TARGETS[1])
        image = "registry.fly.io/a@sha256:b"
        for environment, app in (("staging", f"{slug(project)}-staging"), ("production", slug(project))):
            assert self.call(project, tmp_path / environment, "deploy", environment, image) == [
                f"deploy --config fly.toml --app {app} --image {image} --env ENVIRONMENT={environment}"
            ]
        assert self.call(project, tmp_path / "wrong", "deploy", "prod", image) == ["2"]

    def test_goes_back_to_the_last_image_that_ran(self, render: Renderer, tmp_path: Path) -> None:
        project = rendered(render, "github", TARGETS[1])
        releases = [
            {"Status": "complete", "ImageRef": "c"},
            {"Status": "complete", "ImageRef": "c"},
            {"Status": "failed", "ImageRef": "x"},
            {"Status": "complete", "ImageRef": "b"},
            {"Status": "complete", "ImageRef": "a"},
        ]
        (line,) = self.call(project, tmp_path / "some", "rollback", "production", releases=releases)
        assert " --image b --env ENVIRONMENT=production --skip-release-command" in line
        assert self.call(project, tmp_path / "none", "rollback", "production", releases=releases[:3]) == ["1"]


def slug(project: Path) -> str:
    return str(tomllib.loads((project / "pyproject.toml").read_text())["project"]["name"])
