import asyncio

import pytest
from httpx2 import Response
from structlog.testing import capture_logs

from app.core.errors import UnavailableError
from app.core.feature import Feature, ReadinessCheck, State
from app.modules.health import routes
from app.modules.health.feature import feature
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio


class NoPowerError(UnavailableError):
    code = "kettle.no_power"
    title = "No power"


async def fine(_: State) -> None:
    """All is well."""


async def down(_: State) -> None:
    raise NoPowerError("The grid is down: call 555-0100.", retry_after_seconds=60)


async def broken(_: State) -> None:
    raise ConnectionRefusedError("ftp://ada:hunter2@host")


async def hanging(_: State) -> None:
    await asyncio.Event().wait()


async def get(path: str, **checks: object) -> Response:
    readiness = (
        ReadinessCheck(name=name, check=check) for name, check in checks.items() if callable(check)
    )
    return await answer_of(*readiness, path=path)


async def answer_of(*readiness: ReadinessCheck, path: str = "/health/ready") -> Response:
    features = [Feature(name="kettle", readiness=readiness), Feature(name="other")]
    settings = FixedSettings(environment="test", trusted={"hosts": ["api.example.com"]})
    async with serving(settings, [*features, feature(features)]) as client:
        return await client.get(f"http://10.0.0.7{path}")


class TestLive:
    async def test_asks_nobody(self) -> None:
        response = await get("/health/live", power=broken)

        assert response.status_code == 200
        assert response.json() == {"status": "ok", "release": "unknown"}
        assert response.headers["cache-control"] == "no-store"

    async def test_tells_what_runs(self) -> None:
        settings = FixedSettings(environment="test")
        async with serving(settings, [feature([], release="4f2a9c1")]) as client:
            response = await client.get("http://10.0.0.7/health/live")

        assert response.json() == {"status": "ok", "release": "4f2a9c1"}

    async def test_is_not_below_the_prefix(self) -> None:
        async with serving(FixedSettings(environment="test"), [feature([])]) as client:
            assert (await client.get("health/live")).status_code == 404


class TestReady:
    async def test_needs_nothing_without_checks(self) -> None:
        response = await get("/health/ready")

        assert response.status_code == 200
        assert response.json() == {"status": "ok", "failing": {}}

    async def test_is_ok_when_all_checks_are(self) -> None:
        assert (await get("/health/ready", water=fine, power=fine)).status_code == 200

    async def test_is_degraded_without_what_is_not_required(self) -> None:
        optional = ReadinessCheck(name="milk", check=broken, is_required=False)
        required = ReadinessCheck(name="power", check=down)

        with capture_logs() as lines:
            degraded = await answer_of(optional)
            not_ready = await answer_of(optional, required)

        assert degraded.status_code == 200
        assert degraded.json() == {
            "status": "degraded",
            "failing": {"milk": "ConnectionRefusedError"},
        }
        assert lines[0]["event"] == "ready, but degraded"
        assert not_ready.status_code == 503
        assert not_ready.json()["detail"] == (
            "milk: ConnectionRefusedError; power: The grid is down: call 555-0100."
        )

    async def test_names_what_fails(self) -> None:
        with capture_logs() as lines:
            response = await get("/health/ready", water=fine, power=down, gas=broken)

        assert response.status_code == 503
        assert response.headers["retry-after"] == "5"
        assert response.headers["content-type"] == "application/problem+json"
        body = response.json()
        assert body.pop("request_id") == response.headers["x-request-id"]
        assert body == {
            "type": "urn:problem:health.not_ready",
            "title": "Not ready",
            "status": 503,
            "detail": "power: The grid is down: call 555-0100.; gas: ConnectionRefusedError",
            "instance": "/health/ready",
        }
        assert lines == [
            {
                "event": "not ready",
                "log_level": "warning",
                "power": "The grid is down: call 555-0100.",
                "gas": "ConnectionRefusedError",
            }
        ]

    async def test_shows_no_more_than_the_class_of_an_unknown_error(self) -> None:
        with capture_logs() as lines:
            response = await get("/health/ready", gas=broken)

        assert response.json()["detail"] == "gas: ConnectionRefusedError"
        assert "hunter2" not in response.text + str(lines)

    async def test_does_not_wait_for_a_check_that_hangs(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(routes, "CHECK_TIMEOUT_SECONDS", 0.01)
        with capture_logs():
            response = await get("/health/ready", water=hanging, gas=hanging, power=fine)

        assert response.status_code == 503
        assert response.json()["detail"] == (
            "water: no answer within 0.01 seconds; gas: no answer within 0.01 seconds"
        )

    async def test_answers_before_platforms_give_up(self) -> None:
        assert routes.CHECK_TIMEOUT_SECONDS < 3

    async def test_gives_the_checks_what_the_features_opened(self) -> None:
        seen: list[object] = []

        async def look(state: State) -> None:
            seen.append(state["request_id"])

        response = await get("/health/ready", look=look)

        assert seen == [response.headers["x-request-id"]]
