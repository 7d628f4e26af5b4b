"""How a route comes to take keys, and what its documentation says."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import FileResponse, StreamingResponse
from httpx2 import AsyncClient
from structlog.testing import capture_logs

from app.core.routing import PrefixRouter
from app.modules.idempotency.dependencies import idempotent

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def paths(shop_app: FastAPI) -> dict[str, Any]:
    found: dict[str, Any] = shop_app.openapi()["paths"]
    return found


def parameters(operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {it["name"]: it for it in operation.get("parameters", ())}


def codes(operation: dict[str, Any], status: str) -> set[str]:
    content = operation["responses"][status]["content"]["application/problem+json"]
    return set(content["examples"])


class TestDocumentation:
    def test_has_the_header(self, paths: dict[str, Any]) -> None:
        header = parameters(paths["/api/v1/orders"]["post"])["Idempotency-Key"]

        assert (header["in"], header["required"]) == ("header", False)
        assert header["schema"] == {
            "type": "string",
            "pattern": r'^("[!#-\[\]-~]{1,255}"|[!#-+\--\[\]-~]{1,255})$',
            "maxLength": 257,
        }

    def test_says_where_it_is_required(self, paths: dict[str, Any]) -> None:
        urgent = paths["/api/v1/orders/urgent"]["post"]

        assert parameters(urgent)["Idempotency-Key"]["required"] is True
        assert "idempotency.key_missing" in codes(urgent, "400")
        assert "idempotency.key_missing" not in codes(paths["/api/v1/orders"]["post"], "400")

    def test_has_what_can_be_answered(self, paths: dict[str, Any]) -> None:
        operation = paths["/api/v1/orders"]["post"]

        assert codes(operation, "400") == {"idempotency.key_ambiguous"}
        assert codes(operation, "409") == {
            "shop.sold_out",
            "idempotency.in_progress",
            "idempotency.response_not_kept",
            "idempotency.claim_lost",
        }
        assert codes(operation, "422") == {"idempotency.key_reused"}
        assert operation["responses"]["400"]["description"] == (
            "The body cannot be read · Several idempotency keys"
        )
        assert "Idempotency-Replayed" in operation["responses"]["201"]["headers"]
        assert list(operation["responses"]) == sorted(operation["responses"])

    def test_keeps_what_a_route_adds_itself(self, paths: dict[str, Any]) -> None:
        assert paths["/api/v1/orders/form"]["post"]["x-form"] is True

    @pytest.mark.parametrize(
        ("path", "method"), [("/api/v1/orders", "get"), ("/api/v1/parcels/unkeyed", "post")]
    )
    def test_is_silent_on_other_routes(self, paths: dict[str, Any], path: str, method: str) -> None:
        operation = paths[path][method]

        assert "Idempotency-Key" not in parameters(operation)
        assert "409" not in operation["responses"]


class TestRoute:
    @pytest.mark.parametrize("kind", [StreamingResponse, FileResponse])
    def test_must_not_answer_with_a_stream(self, kind: type) -> None:
        router = PrefixRouter(prefix="/streams", dependencies=[idempotent()])

        with pytest.raises(TypeError, match="/streams streams its answer"):
            router.post("", response_class=kind)(lambda: None)

    def test_must_not_be_a_generator(self) -> None:
        async def lines() -> AsyncIterator[str]:
            yield "one"

        def rows() -> Iterator[str]:
            yield "one"

        router = PrefixRouter(prefix="/streams")
        for endpoint in (lines, rows):
            with pytest.raises(TypeError, match="/streams streams its answer"):
                router.post("", dependencies=[idempotent()])(endpoint)

    async def test_must_be_one_of_a_prefix_router(self, buyer: AsyncClient) -> None:
        """Any other would take the key and keep no answer."""
        with capture_logs() as logs:
            response = await buyer.post("plain", headers={"Idempotency-Key": "k"})

        assert response.status_code == 500
        (error,) = [it["exc_info"] for it in logs if it["event"] == "unhandled error"]
        assert str(error) == (
            "idempotent() at /plain must be listed in the dependencies of a PrefixRouter or of one "
            "of its routes"
        )
