from collections.abc import Collection
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.core.extensions import Extensions
from app.modules.user.authentication import Authentication
from app.modules.user.models import User
from app.modules.user.permissions import Policy
from tests.fixtures.api_key import generate
from tests.fixtures.auth import create_user

from .samples import events

pytestmark = pytest.mark.anyio


class Managers(Policy):
    """Grants one permission to every account, all of one rank."""

    async def granted(self, session: AsyncSession, user_id: UUID) -> Collection[str]:  # noqa: ARG002
        return {"api_keys:manage"}

    async def rank(self, session: AsyncSession, user_id: UUID) -> int:  # noqa: ARG002
        return 1


class TestAdministration:
    async def test_lists_the_keys_of_an_account(
        self, user_client: AsyncClient, superuser_client: AsyncClient, user: User
    ) -> None:
        generated = await generate(user_client)

        response = await superuser_client.get(f"users/{user.id}/api-keys")

        assert response.status_code == 200
        assert [item["id"] for item in response.json()["data"]] == [generated["id"]]
        assert generated["key"] not in response.text

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", ""), ("DELETE", "/{key_id}"), ("POST", "/revoke")],
    )
    async def test_is_for_who_holds_the_permission(
        self,
        user_client: AsyncClient,
        superuser: User,
        client: AsyncClient,
        method: str,
        path: str,
    ) -> None:
        path = f"users/{superuser.id}/api-keys{path.format(key_id=uuid4())}"

        refused = await user_client.request(method, path)
        stranger = await client.request(method, path)

        assert (refused.status_code, stranger.status_code) == (403, 401)
        assert refused.json()["type"] == "urn:problem:auth.insufficient_scope"

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", ""), ("DELETE", "/{key_id}"), ("POST", "/revoke")],
    )
    async def test_knows_no_unknown_account(
        self, superuser_client: AsyncClient, method: str, path: str
    ) -> None:
        path = f"users/{uuid4()}/api-keys{path.format(key_id=uuid4())}"

        response = await superuser_client.request(method, path)

        assert response.status_code == 404
        assert response.json()["type"] == "urn:problem:user.not_found"

    async def test_revokes_a_key(
        self,
        user_client: AsyncClient,
        superuser_client: AsyncClient,
        client: AsyncClient,
        user: User,
        superuser: User,
    ) -> None:
        generated = await generate(user_client)
        path = f"users/{user.id}/api-keys/{generated['id']}"

        with capture_logs() as logs:
            responses = [await superuser_client.delete(path) for _ in range(2)]

        assert [response.status_code for response in responses] == [204, 404]
        answer = await client.get("users/me", headers={"X-API-Key": generated["key"]})
        assert answer.status_code == 401
        event = events(logs)[0]
        assert event["name"] == "api_key_revoked"
        assert (event["actor_id"], event["target_id"]) == (str(superuser.id), str(user.id))

    async def test_revokes_only_keys_of_that_account(
        self, superuser_client: AsyncClient, session: AsyncSession
    ) -> None:
        generated, other = await generate(superuser_client), await create_user(session)

        response = await superuser_client.delete(f"users/{other.id}/api-keys/{generated['id']}")

        assert response.status_code == 404
        assert response.json()["type"] == "urn:problem:api_key.not_found"

    async def test_revokes_all_keys_of_an_account(
        self, user_client: AsyncClient, superuser_client: AsyncClient, user: User
    ) -> None:
        for _ in range(2):
            await generate(user_client)

        response = await superuser_client.post(f"users/{user.id}/api-keys/revoke")

        assert response.status_code == 204
        assert (await user_client.get("api-keys")).json()["total_count"] == 0

    async def test_is_not_for_oneself(self, superuser_client: AsyncClient, superuser: User) -> None:
        """Nor for any other account that is not below."""
        generated = await generate(superuser_client)

        one = await superuser_client.delete(f"users/{superuser.id}/api-keys/{generated['id']}")
        all_ = await superuser_client.post(f"users/{superuser.id}/api-keys/revoke")

        assert (one.status_code, all_.status_code) == (403, 403)
        assert one.json()["type"] == all_.json()["type"] == "urn:problem:user.outranked"

    async def test_ends_at_ones_own_rank(
        self,
        user_client: AsyncClient,
        superuser_client: AsyncClient,
        superuser: User,
        session: AsyncSession,
        state: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        extensions = Extensions([*state["extensions"].of(object), Managers()])
        monkeypatch.setitem(state, "extensions", extensions)
        authentication = Authentication(extensions, recent_seconds=900)
        monkeypatch.setitem(state, "authentication", authentication)
        above, beside = await generate(superuser_client), await create_user(session)

        listed = await user_client.get(f"users/{superuser.id}/api-keys")
        revoked = await user_client.delete(f"users/{superuser.id}/api-keys/{above['id']}")
        all_revoked = await user_client.post(f"users/{beside.id}/api-keys/revoke")

        assert listed.status_code == 200
        assert (revoked.status_code, all_revoked.status_code) == (403, 403)
        assert revoked.json()["type"] == "urn:problem:user.outranked"

    async def test_can_be_done_with_a_key(
        self, superuser_client: AsyncClient, client: AsyncClient, user: User
    ) -> None:
        key = (await generate(superuser_client, scopes=["api_keys:manage"]))["key"]

        response = await client.get(f"users/{user.id}/api-keys", headers={"X-API-Key": key})

        assert response.status_code == 200
