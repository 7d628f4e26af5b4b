"""What it costs to be observed: a service that tells nobody anything, beside one that tells errors, numbers and traces."""

import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import load
import project
import report
import servers
from harness.sinks import sink

FEATURES = ("sentry", "metrics", "tracing")
UNOBSERVED = "current user, observed by nobody"
MOST = 1.6


def measure(
    plain: Path, observed: Path, variables: Mapping[str, str], token: str, effort: load.Effort
) -> list[report.Row]:
    """Of a project without these features, and of the same with all of them, on the same database."""
    project.install(observed)
    with ExitStack() as stack:
        collector = stack.enter_context(sink())
        settings = {
            "sentry": {"SENTRY_DSN": f"http://public@{collector.host}/1"},
            "metrics": {"METRICS_TOKEN": secrets.token_urlsafe(32)},
            # A tenth of the requests is recorded, as is the default where deployed.
            "tracing": {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector.host}"},
        }

        def ask(name: str, folder: Path, *features: str) -> load.Target:
            chosen = {key: value for feature in features for key, value in settings[feature].items()}
            service = stack.enter_context(servers.service(folder, {**variables, **chosen}))
            return load.Target(name, service.port, "/api/v1/users/me", service.pid, (f"Authorization: Bearer {token}",))

        all_on = f"current user, with {', '.join(FEATURES)}"
        wanted = [
            ask(UNOBSERVED, plain),
            *(ask(f"current user, with {name}", observed, name) for name in FEATURES),
            ask(all_on, observed, *FEATURES),
        ]
        rounds = load.in_turns(wanted, effort)
    return [
        *(report.row(rounds, f"current user, with {name}", UNOBSERVED) for name in FEATURES),
        report.row(rounds, all_on, UNOBSERVED, MOST),
    ]
