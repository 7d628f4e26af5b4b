"""`/tiers/{tier_id}/rate-limits`: what a tier allows."""

from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from tests.fixtures.auth import Witness

from .arrange import LIMIT, create_tier

pytestmark = pytest.mark.anyio


@pytest.fixture
async def path(session: AsyncSession) -> str:
    """Of the limits of an empty tier."""
    return f"tiers/{(await create_tier(session, name='pro')).id}/rate-limits"


@pytest.fixture
async def limit_path(superuser_client: AsyncClient, path: str) -> str:
    """Of `LIMIT` in that tier."""
    response = await superuser_client.post(path, json=LIMIT)
    return f"{path}/{response.json()['id']}"


class TestCreateRateLimit:
    async def test_answers_with_what_is_stored(
        self, superuser_client: AsyncClient, path: str, witness: Witness
    ) -> None:
        response = await superuser_client.post(path, json={**LIMIT, "name": "Own account"})

        assert response.status_code == 201, response.text
        limit = response.json()
        assert {key: limit[key] for key in LIMIT} == LIMIT
        assert limit["name"] == "Own account"
        assert limit["tier_id"] == path.split("/")[1]
        assert limit["is_deleted"] is False
        assert response.headers["location"] == f"/api/v1/{path}/{limit['id']}"
        assert (await superuser_client.get(f"{path}/{limit['id']}")).json() == limit
        (event,) = witness.events
        assert event.name == "rate_limit_created"
        assert event.details == {"tier": "pro", **LIMIT}

    async def test_is_called_by_its_path_unless_named(
        self, superuser_client: AsyncClient, path: str
    ) -> None:
        response = await superuser_client.post(path, json=LIMIT)

        assert response.json()["name"] == "/api/v1/users/me"

    async def test_a_route_has_one_in_each_tier(
        self, superuser_client: AsyncClient, path: str, session: AsyncSession
    ) -> None:
        other = await create_tier(session)
        await superuser_client.post(path, json=LIMIT)

        response = await superuser_client.post(path, json={**LIMIT, "name": "Again"})

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:tier.rate_limit_path_taken"
        elsewhere = await superuser_client.post(f"tiers/{other.id}/rate-limits", json=LIMIT)
        assert elsewhere.status_code == 201

    async def test_a_name_is_taken_once_in_a_tier(
        self, superuser_client: AsyncClient, path: str
    ) -> None:
        await superuser_client.post(path, json=LIMIT)

        response = await superuser_client.post(
            path, json={**LIMIT, "path": "*", "name": "/api/v1/users/me"}
        )

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:tier.rate_limit_name_taken"

    @pytest.mark.parametrize(
        "template", ["*", "/api/v1/users/{user_id}", "/api/v1/tiers/{tier_id}/rate-limits"]
    )
    async def test_takes_the_templates_of_routes(
        self, superuser_client: AsyncClient, path: str, template: str
    ) -> None:
        response = await superuser_client.post(path, json={**LIMIT, "path": template})

        assert response.status_code == 201

    @pytest.mark.parametrize(
        "template",
        [
            "/users/me",
            "/api/v1/users/{id}",
            "/api/v1/users/{user_id:uuid}",
            "/health/live",
            "/api/v1/users/me/",
            "",
        ],
    )
    async def test_refuses_what_is_no_route(
        self, superuser_client: AsyncClient, path: str, template: str
    ) -> None:
        """It would limit nothing, and nobody would notice."""
        response = await superuser_client.post(path, json={**LIMIT, "path": template})

        assert response.status_code == 422
        assert response.json()["type"] == "urn:problem:tier.unknown_route"

    @pytest.mark.parametrize(
        "change",
        [
            {"limit": 0},
            {"limit": 1_000_000},
            {"limit": None},
            {"period": 0},
            {"period": 2_678_401},
            {"name": None},
            {"tier_id": str(uuid4())},
        ],
    )
    async def test_refuses_what_breaks_a_rule(
        self, superuser_client: AsyncClient, path: str, change: dict[str, object]
    ) -> None:
        response = await superuser_client.post(path, json=LIMIT | change)

        assert response.status_code == 422
        assert response.json()["type"] == "urn:problem:request.invalid"

    async def test_takes_tiers_manage(
        self, user_client: AsyncClient, client: AsyncClient, path: str
    ) -> None:
        assert (await user_client.post(path, json=LIMIT)).status_code == 403
        assert (await client.post(path, json=LIMIT)).status_code == 401

    async def test_unknown_tiers_are_not_found(self, superuser_client: AsyncClient) -> None:
        response = await superuser_client.post(f"tiers/{uuid4()}/rate-limits", json=LIMIT)

        assert response.status_code == 404
        assert response.json()["type"] == "urn:problem:tier.not_found"


class TestListRateLimits:
    async def test_begins_with_that_of_every_route(
        self, superuser_client: AsyncClient, path: str
    ) -> None:
        for template in ("/api/v1/users/me", "/api/v1/tiers", "*"):
            await superuser_client.post(path, json={**LIMIT, "path": template})

        response = await superuser_client.get(path, params={"items_per_page": 2})

        assert response.status_code == 200
        page = response.json()
        assert [limit["path"] for limit in page.pop("data")] == ["*", "/api/v1/tiers"]
        assert page == {"total_count": 3, "has_more": True, "page": 1, "items_per_page": 2}

    async def test_takes_tiers_read(
        self, user_client: AsyncClient, client: AsyncClient, path: str
    ) -> None:
        assert (await user_client.get(path)).status_code == 403
        assert (await client.get(path)).status_code == 401


class TestReadRateLimit:
    async def test_those_of_other_tiers_are_not_found(
        self, superuser_client: AsyncClient, limit_path: str, session: AsyncSession
    ) -> None:
        other = await create_tier(session)
        limit_id = limit_path.rsplit("/", 1)[1]

        response = await superuser_client.get(f"tiers/{other.id}/rate-limits/{limit_id}")

        assert response.status_code == 404
        assert response.json()["type"] == "urn:problem:tier.rate_limit_not_found"
        assert (await superuser_client.get(limit_path)).status_code == 200


class TestUpdateRateLimit:
    async def test_changes_what_is_present(
        self, superuser_client: AsyncClient, limit_path: str, witness: Witness
    ) -> None:
        response = await superuser_client.patch(limit_path, json={"limit": 7})

        assert response.status_code == 200, response.text
        assert {key: response.json()[key] for key in LIMIT} == LIMIT | {"limit": 7}
        assert (await superuser_client.get(limit_path)).json() == response.json()
        assert [(it.name, it.details["limit"]) for it in witness.events] == [
            ("rate_limit_updated", 7)
        ]

    async def test_a_name_made_of_the_path_follows_it(
        self, superuser_client: AsyncClient, limit_path: str
    ) -> None:
        moved = await superuser_client.patch(limit_path, json={"path": "*"})
        assert moved.json()["name"] == "*"
        await superuser_client.patch(limit_path, json={"name": "Tiers"})

        response = await superuser_client.patch(limit_path, json={"path": "/api/v1/tiers"})

        assert response.json()["name"] == "Tiers"

    async def test_refuses_what_is_no_route(
        self, superuser_client: AsyncClient, limit_path: str
    ) -> None:
        response = await superuser_client.patch(limit_path, json={"path": "/api/v1/nothing"})

        assert response.status_code == 422
        assert response.json()["type"] == "urn:problem:tier.unknown_route"

    @pytest.mark.parametrize("field", ["name", "path", "limit", "period"])
    async def test_nothing_may_be_null(
        self, superuser_client: AsyncClient, limit_path: str, field: str
    ) -> None:
        assert (await superuser_client.patch(limit_path, json={field: None})).status_code == 422

    async def test_a_route_has_one_in_a_tier(
        self, superuser_client: AsyncClient, path: str, limit_path: str
    ) -> None:
        await superuser_client.post(path, json={**LIMIT, "path": "*"})

        response = await superuser_client.patch(limit_path, json={"path": "*", "name": "Other"})

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:tier.rate_limit_path_taken"

    async def test_unknown_ones_are_not_found(
        self, superuser_client: AsyncClient, user_client: AsyncClient, path: str
    ) -> None:
        unknown = f"{path}/{uuid4()}"

        assert (await superuser_client.patch(unknown, json={})).status_code == 404
        assert (await superuser_client.delete(unknown)).status_code == 404
        assert (await user_client.patch(unknown, json={})).status_code == 403


class TestDeleteRateLimit:
    async def test_frees_its_route(
        self, superuser_client: AsyncClient, path: str, limit_path: str, witness: Witness
    ) -> None:
        response = await superuser_client.delete(limit_path)

        assert response.status_code == 204
        assert (await superuser_client.get(limit_path)).status_code == 404
        assert (await superuser_client.delete(limit_path)).status_code == 404
        assert (await superuser_client.post(path, json=LIMIT)).status_code == 201
        assert witness.names == ["rate_limit_deleted", "rate_limit_created"]

    async def test_takes_tiers_manage(
        self, user_client: AsyncClient, client: AsyncClient, limit_path: str
    ) -> None:
        assert (await user_client.delete(limit_path)).status_code == 403
        assert (await client.delete(limit_path)).status_code == 401


class TestDocumentation:
    def test_lists_the_routes_there_are(self, app: FastAPI) -> None:
        schemas = app.openapi()["components"]["schemas"]

        for name in ("RateLimitCreate", "RateLimitUpdate"):
            paths = schemas[name]["properties"]["path"]["enum"]
            assert paths[0] == "*"
            assert "/api/v1/users/{user_id}" in paths
            assert [path for path in paths[1:] if not path.startswith("/api/v1/")] == []

    async def test_lists_no_route_that_is_refused(
        self, app: FastAPI, superuser_client: AsyncClient, path: str
    ) -> None:
        paths = app.openapi()["components"]["schemas"]["RateLimitCreate"]["properties"]["path"]
        created = await superuser_client.post(path, json={**LIMIT, "path": paths["enum"][0]})
        limit = f"{path}/{created.json()['id']}"

        # A few of them, from everywhere: each is a request.
        statuses = {
            (await superuser_client.patch(limit, json={"path": each})).status_code
            for each in paths["enum"][::7]
        }

        assert statuses == {200}
