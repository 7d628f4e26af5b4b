from collections.abc import Generator

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse

from app.infrastructure.rate_limit.settings import RateLimitSettings
from app.infrastructure.redis.settings import RedisSettings

from .sample import sample_app

NEWS = "/api/v1/news"


@pytest.fixture
def client() -> Generator[TestClient]:
    app = sample_app(RedisSettings(), RateLimitSettings(anonymous="2/hour"))
    with TestClient(app) as client:
        yield client


def test_handshakes_count(client: TestClient) -> None:
    for _ in range(2):
        with client.websocket_connect(NEWS):
            pass
    with (
        pytest.raises(WebSocketDenialResponse) as caught,
        client.websocket_connect(NEWS),
    ):
        pass

    assert caught.value.status_code == 429
    assert caught.value.headers["ratelimit-remaining"] == "0"
    assert caught.value.json()["type"] == "urn:problem:rate_limit.exceeded"
