"""The scripts for Cloud Run, with a gcloud that takes notes and answers what it is told to."""

from pathlib import Path

import pytest

from harness.commands import Outcome, run
from harness.platforms import fake_gcloud
from harness.projects import Renderer

pytestmark = pytest.mark.deploy

IMAGE = "europe-docker.pkg.dev/a-project/images/app:1.2.3"
WHERE = "--project=a-project --region=europe-west3 --quiet"


@pytest.fixture
def project(render: Renderer) -> Path:
    return render(preset="saas", cloud="cloud_run")


def script(project: Path, folder: Path, command: str, **extra: str) -> tuple[Outcome, list[str]]:
    """What came of it, and what gcloud was asked, without what is always said."""
    variables = {**fake_gcloud(folder), **extra}
    outcome = run(f"deploy/cloud_run/{command}", project, variables)
    calls = folder / "calls"
    lines = calls.read_text().splitlines() if calls.exists() else []
    assert all(line.endswith(WHERE) for line in lines)
    return outcome, [line.removesuffix(WHERE).strip() for line in lines]


def answer(folder: Path, command: str, *lines: str) -> None:
    """Let gcloud answer a command with lines."""
    (folder / "answers").mkdir(parents=True, exist_ok=True)
    (folder / "answers" / command).write_text("".join(f"{line}\n" for line in lines))


class TestDeploy:
    def test_migrates_before_anything_is_replaced(self, project: Path, tmp_path: Path) -> None:
        outcome, calls = script(project, tmp_path, f"deploy.sh staging {IMAGE}")

        assert outcome.ok, outcome
        applied = [line.rpartition("/")[2] for line in calls]
        assert [line.partition(" /")[0] for line in calls] == [
            "run jobs replace",
            "run jobs execute my-service-staging-migrate --wait",
            "run worker-pools replace",
            "run worker-pools replace",
            "run services replace",
        ]
        assert applied[2:] == ["worker_pool-worker.yaml", "worker_pool-beat.yaml", "service.yaml"]
        assert IMAGE in (tmp_path / "service.yaml").read_text()
        assert "name: my-service-staging\n" in (tmp_path / "service.yaml").read_text()

    @pytest.mark.parametrize(
        ("failing", "last"), [("run jobs execute *", "run jobs execute"), ("run services *", "run services replace")]
    )
    def test_stops_at_what_fails(self, project: Path, tmp_path: Path, failing: str, last: str) -> None:
        """`$GCLOUD_FAILS` is a pattern of the shell."""
        outcome, calls = script(project, tmp_path, f"deploy.sh production {IMAGE}", GCLOUD_FAILS=failing)

        assert not outcome.ok
        assert calls[-1].startswith(last)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ("", "Usage: "),
            ("production", "Usage: "),
            (f"development {IMAGE}", "ENVIRONMENT is staging or production, not development."),
            ("production registry.example.com:5000/app", "IMAGE needs a tag or a digest"),
            ("production registry.example.com/app:latest", "IMAGE must not be :latest"),
        ],
    )
    def test_says_what_is_wrong(self, project: Path, tmp_path: Path, arguments: str, message: str) -> None:
        outcome, calls = script(project, tmp_path, f"deploy.sh {arguments}")

        assert (outcome.status, calls) == (1, [])
        assert message in outcome.output

    @pytest.mark.parametrize("name", ["GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_REGION"])
    def test_needs_to_know_where(self, project: Path, tmp_path: Path, name: str) -> None:
        outcome, calls = script(project, tmp_path, f"deploy.sh production {IMAGE}", **{name: ""})

        assert (outcome.status, calls) == (1, [])
        assert f"{name}: is needed" in outcome.output


class TestRollback:
    def test_goes_to_the_revision_before_that_worked(self, project: Path, tmp_path: Path) -> None:
        answer(tmp_path, "services-describe", "app-4")
        answer(tmp_path, "revisions-list", "app-5\tFalse", "app-4\tTrue", "app-3\tFalse", "app-2\tTrue", "app-1\tTrue")
        answer(tmp_path, "worker-pools-describe", "pool-2")
        answer(tmp_path, "worker-pools-revisions", "pool-2\tTrue", "pool-1\tTrue")
        outcome, calls = script(project, tmp_path, "rollback.sh production")

        assert outcome.ok, outcome
        assert [line for line in calls if " update-" in line] == [
            "run services update-traffic my-service-production --to-revisions=app-2=100",
            "run worker-pools update-instance-split my-service-production-worker --to-revisions=pool-1=100",
            "run worker-pools update-instance-split my-service-production-beat --to-revisions=pool-1=100",
        ]

    def test_says_when_there_is_none(self, project: Path, tmp_path: Path) -> None:
        answer(tmp_path, "services-describe", "app-1")
        answer(tmp_path, "revisions-list", "app-1\tTrue")
        outcome, calls = script(project, tmp_path, "rollback.sh production")

        assert outcome.status == 1
        assert "There is no revision before app-1." in outcome.output
        assert not [line for line in calls if " update-" in line]
