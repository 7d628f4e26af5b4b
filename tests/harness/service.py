"""What every rendered service must do, asked from outside."""

import time

import httpx2

from harness.commands import Steps
from harness.servers import served

PROBLEM = "application/problem+json"


def check_migrations(steps: Steps, **extra: str) -> None:
    """Up, no drift, down to nothing."""
    for command in ("upgrade head", "check", "downgrade base"):
        steps.run("alembic", f"uv run --no-sync alembic {command}", **extra)


def check_service(steps: Steps, **extra: str) -> None:
    """Start it with uvicorn and ask what every service answers."""
    started = time.monotonic()
    try:
        with (
            served(steps.folder, **extra) as url,
            httpx2.Client(base_url=url, timeout=10) as client,
        ):
            failure = "\n".join(wrong_answers(client))
    except (RuntimeError, httpx2.HTTPError) as error:
        failure = str(error)
    log = (steps.folder.parent / f"{steps.folder.name}.log").read_text()
    steps.note(
        "serve",
        time.monotonic() - started,
        f"{failure}\n{log[-4000:]}" if failure or "Traceback" in log else "",
    )


def wrong_answers(client: httpx2.Client) -> list[str]:
    """What is not as it should be."""
    ready, schema, missing = (
        client.get("/health/ready"),
        client.get("/openapi.json"),
        client.get("/no/such/path"),
    )
    checks = {
        f"/health/ready: {ready.status_code} {ready.text}": ready.status_code == 200,
        f"/openapi.json: {schema.status_code}": schema.status_code == 200 and bool(schema.json()["paths"]),
        f"404: {missing.status_code} {missing.headers.get('content-type')} {missing.text}": missing.status_code == 404
        and missing.headers.get("content-type") == PROBLEM
        and missing.json().get("status") == 404,
    }
    return [found for found, right in checks.items() if not right]
