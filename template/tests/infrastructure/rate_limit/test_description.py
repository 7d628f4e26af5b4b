"""What the OpenAPI document says of limits."""

from typing import Any

import pytest

from app.infrastructure.rate_limit.settings import RateLimitSettings
from app.infrastructure.redis.settings import RedisSettings

from .sample import sample_app


@pytest.fixture(scope="module")
def paths() -> dict[str, Any]:
    app = sample_app(RedisSettings(), RateLimitSettings())
    document: dict[str, Any] = app.openapi()["paths"]
    return document


def test_a_limited_route_documents_the_refusal(paths: dict[str, Any]) -> None:
    responses = paths["/api/v1/orders/{order_id}"]["get"]["responses"]

    assert list(responses) == ["200", "422", "429"]
    assert responses["429"]["description"] == "Too many requests"
    assert list(responses["429"]["headers"]) == [
        "Retry-After",
        "RateLimit-Limit",
        "RateLimit-Remaining",
        "RateLimit-Reset",
    ]
    content = responses["429"]["content"]["application/problem+json"]
    assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert list(content["examples"]) == ["rate_limit.exceeded"]


def test_a_sensitive_one_documents_that_it_needs_the_count(paths: dict[str, Any]) -> None:
    assert list(paths["/api/v1/code"]["post"]["responses"]) == ["200", "429", "503"]


def test_the_others_document_nothing(paths: dict[str, Any]) -> None:
    assert list(paths["/api/v1/free"]["get"]["responses"]) == ["200"]
    assert list(paths["/health/live"]["get"]["responses"]) == ["200"]
