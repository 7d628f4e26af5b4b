"""`/permissions` and `/roles`."""

from typing import Any
from uuid import uuid4

import pytest
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.modules.role.models import Role, RolePermission
from app.modules.user.models import User
from tests.fixtures.auth import create_user, log_in

from .arrange import create_role, give, names

pytestmark = pytest.mark.anyio

EDITOR = {"name": "editor", "description": "Reads", "rank": 20, "permissions": ["users:read"]}


def events(lines: list[Any]) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == "security event"]


class TestListPermissions:
    async def test_has_every_declared_one(self, admin_client: AsyncClient) -> None:
        response = await admin_client.get("permissions")

        assert response.status_code == 200
        by_name = {item["name"]: item for item in response.json()}
        assert by_name["users:read"] == {
            "name": "users:read",
            "description": "Read all accounts",
            "is_general": False,
        }
        assert by_name["profile:read"]["is_general"] is True
        assert by_name["roles:manage"]["is_general"] is False

    async def test_takes_roles_read(self, user_client: AsyncClient, client: AsyncClient) -> None:
        assert (await user_client.get("permissions")).status_code == 403
        assert (await client.get("permissions")).status_code == 401


class TestCreateRole:
    async def test_answers_the_role_and_where_it_is(self, admin_client: AsyncClient) -> None:
        with capture_logs() as lines:
            response = await admin_client.post("roles", json=EDITOR)

        assert response.status_code == 201, response.text
        body = response.json()
        assert {key: body[key] for key in EDITOR} == EDITOR
        assert response.headers["location"] == f"/api/v1/roles/{body['id']}"
        (event,) = events(lines)
        assert (event["name"], event["role"], event["rank"], event["permissions"]) == (
            "role_created",
            "editor",
            20,
            "users:read",
        )

    async def test_a_name_is_enough(self, admin_client: AsyncClient) -> None:
        response = await admin_client.post("roles", json={"name": "friend"})

        assert response.status_code == 201
        body = response.json()
        assert (body["description"], body["rank"], body["permissions"]) == ("", 0, [])

    async def test_a_permission_twice_is_there_once(self, admin_client: AsyncClient) -> None:
        response = await admin_client.post(
            "roles", json=EDITOR | {"permissions": ["users:read"] * 2}
        )

        assert response.json()["permissions"] == ["users:read"]

    async def test_refuses_a_name_twice(self, admin_client: AsyncClient) -> None:
        await admin_client.post("roles", json=EDITOR)

        response = await admin_client.post("roles", json=EDITOR)

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:role.name_taken"

    @pytest.mark.parametrize("permission", ["users:fly", "profile:read", "", "\u0000"])
    async def test_refuses_what_a_role_cannot_have(
        self, superuser_client: AsyncClient, permission: str
    ) -> None:
        """Unknown ones, and general ones, which everybody holds anyway."""
        response = await superuser_client.post("roles", json=EDITOR | {"permissions": [permission]})

        assert response.status_code == 422
        assert response.json()["type"] == "urn:problem:role.unknown_permission"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", "Editor"),
            ("name", "e"),
            ("name", "x" * 41),
            ("name", "two words"),
            ("name", "editor\n"),
            ("name", "9lives"),
            ("description", "x" * 201),
            ("description", "a\x00"),
            ("rank", -1),
            ("rank", 101),
            ("rank", None),
            ("permissions", None),
            ("permissions", ["x" * 61]),
            ("permissions", ["users:read"] * 201),
            ("id", str(uuid4())),
        ],
    )
    async def test_refuses_what_breaks_a_rule(
        self, admin_client: AsyncClient, field: str, value: object
    ) -> None:
        response = await admin_client.post("roles", json=EDITOR | {field: value})

        assert response.status_code == 422
        assert response.json()["errors"][0]["loc"][:2] == ["body", field]

    @pytest.mark.parametrize("rank", [80, 81, 100])
    async def test_refuses_a_rank_that_is_not_below_ones_own(
        self, admin_client: AsyncClient, rank: int
    ) -> None:
        response = await admin_client.post("roles", json=EDITOR | {"rank": rank})

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:role.outranked"

    async def test_refuses_a_permission_that_one_does_not_hold(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await give(session, user, await create_role(session, "roles:manage", rank=80))

        response = await user_client.post("roles", json=EDITOR)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:role.permission_not_held"
        assert await session.scalar(select(Role).where(Role.name == "editor")) is None

    async def test_refuses_what_the_token_does_not_carry(
        self, client: AsyncClient, state: dict[str, Any], admin: User, superuser: User
    ) -> None:
        """Neither an admin's nor a superuser's limited token gives more than it has itself."""
        for user in (admin, superuser):
            await log_in(client, state, user, scopes=["roles:manage"])

            response = await client.post("roles", json=EDITOR)

            assert response.status_code == 403
            assert response.json()["type"] == "urn:problem:role.permission_not_held"

    async def test_superusers_may_all(self, superuser_client: AsyncClient) -> None:
        response = await superuser_client.post("roles", json=EDITOR | {"rank": 100})

        assert response.status_code == 201

    async def test_records_a_refusal_although_the_request_is_rolled_back(
        self, admin_client: AsyncClient, admin: User
    ) -> None:
        with capture_logs() as lines:
            await admin_client.post("roles", json=EDITOR | {"rank": 90})

        (event,) = events(lines)
        assert event["name"] == "unauthorized_access"
        assert event["log_level"] == "warning"
        assert event["actor_id"] == str(admin.id)
        assert event["reason"] == "role.outranked"
        assert event["path"] == "/api/v1/roles"

    async def test_takes_roles_manage(
        self, user_client: AsyncClient, user: User, session: AsyncSession, client: AsyncClient
    ) -> None:
        await give(session, user, await create_role(session, "roles:read", rank=80))

        response = await user_client.post("roles", json=EDITOR)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:auth.insufficient_scope"
        assert (await client.post("roles", json=EDITOR)).status_code == 401


class TestListRoles:
    async def test_pages_the_highest_rank_first(
        self, superuser_client: AsyncClient, session: AsyncSession
    ) -> None:
        await create_role(session, rank=10, name="low")
        await create_role(session, "users:read", "roles:read", rank=60, name="high")
        await create_role(session, rank=60, name="a-high")

        response = await superuser_client.get("roles", params={"items_per_page": 2})
        rest = await superuser_client.get("roles", params={"items_per_page": 2, "page": 2})

        body = response.json()
        assert names(body["data"]) == ["a-high", "high"]
        assert body["data"][1]["permissions"] == ["roles:read", "users:read"]
        assert (body["total_count"], body["has_more"]) == (3, True)
        assert names(rest.json()["data"]) == ["low"]

    async def test_takes_roles_read(self, user_client: AsyncClient, client: AsyncClient) -> None:
        assert (await user_client.get("roles")).status_code == 403
        assert (await client.get("roles")).status_code == 401


class TestReadRole:
    async def test_answers_it(self, admin_client: AsyncClient, session: AsyncSession) -> None:
        role = await create_role(session, "users:read")

        response = await admin_client.get(f"roles/{role.id}")

        assert response.status_code == 200
        assert response.json()["name"] == role.name

    async def test_takes_roles_read(self, user_client: AsyncClient, session: AsyncSession) -> None:
        role = await create_role(session)

        assert (await user_client.get(f"roles/{role.id}")).status_code == 403

    @pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
    async def test_unknown_ids_are_not_found(self, admin_client: AsyncClient, method: str) -> None:
        body = {"rank": 1} if method == "PATCH" else None

        response = await admin_client.request(method, f"roles/{uuid4()}", json=body)

        assert response.status_code == 404
        assert response.json()["type"] == "urn:problem:role.not_found"


class TestUpdateRole:
    async def test_leaves_absent_fields_alone(
        self, admin_client: AsyncClient, session: AsyncSession
    ) -> None:
        role = await create_role(session, "users:read", rank=20)

        with capture_logs() as lines:
            response = await admin_client.patch(f"roles/{role.id}", json={"description": "New"})

        assert response.status_code == 200, response.text
        body = response.json()
        assert (body["description"], body["rank"], body["name"]) == ("New", 20, role.name)
        assert body["permissions"] == ["users:read"]
        assert [event["name"] for event in events(lines)] == ["role_updated"]

    async def test_replaces_the_permissions(
        self, admin_client: AsyncClient, session: AsyncSession
    ) -> None:
        role = await create_role(session, "users:read", "users:manage")
        role.updated_at = role.created_at.replace(year=2020)
        await session.commit()

        response = await admin_client.patch(
            f"roles/{role.id}", json={"permissions": ["users:read", "roles:read"]}
        )

        assert response.json()["permissions"] == ["roles:read", "users:read"]
        assert not response.json()["updated_at"].startswith("2020")
        stored = await session.scalars(
            select(RolePermission.permission)
            .where(RolePermission.role_id == role.id)
            .order_by(RolePermission.permission)
        )
        assert list(stored) == ["roles:read", "users:read"]

    @pytest.mark.parametrize("field", ["name", "description", "rank", "permissions"])
    async def test_refuses_null(
        self, admin_client: AsyncClient, session: AsyncSession, field: str
    ) -> None:
        role = await create_role(session)

        assert (await admin_client.patch(f"roles/{role.id}", json={field: None})).status_code == 422

    async def test_refuses_a_taken_name(
        self, admin_client: AsyncClient, session: AsyncSession
    ) -> None:
        role, other = await create_role(session), await create_role(session)

        response = await admin_client.patch(f"roles/{role.id}", json={"name": other.name})

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:role.name_taken"

    @pytest.mark.parametrize(("present", "wanted"), [(80, 10), (90, 10), (10, 80), (10, 90)])
    async def test_reaches_ranks_below_ones_own_alone(
        self, admin_client: AsyncClient, session: AsyncSession, present: int, wanted: int
    ) -> None:
        """Neither to take down a role of one's own rank, nor to raise one to it."""
        role = await create_role(session, rank=present)

        response = await admin_client.patch(f"roles/{role.id}", json={"rank": wanted})

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:role.outranked"

    async def test_nobody_widens_ones_own_role(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        """Not the highest one, for its rank; not a lower one, for what it would permit."""
        high = await create_role(session, "roles:manage", rank=50)
        low = await create_role(session, rank=10)
        await give(session, user, high, low)
        change = {"permissions": ["roles:manage", "users:manage"]}

        responses = [await user_client.patch(f"roles/{it.id}", json=change) for it in (high, low)]

        assert [it.status_code for it in responses] == [403, 403]
        assert [it.json()["type"] for it in responses] == [
            "urn:problem:role.outranked",
            "urn:problem:role.permission_not_held",
        ]
        assert (await user_client.get("users/me/roles")).json()[1]["permissions"] == []

    async def test_what_a_role_has_already_may_stay(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        """Even if the manager does not hold it, or no module declares it any more."""
        await give(session, user, await create_role(session, "roles:manage", rank=50))
        role = await create_role(session, "users:manage", "former:thing")

        response = await user_client.patch(
            f"roles/{role.id}",
            json={"permissions": ["roles:manage", "users:manage", "former:thing"]},
        )

        assert response.status_code == 200, response.text
        assert response.json()["permissions"] == ["former:thing", "roles:manage", "users:manage"]

    async def test_refuses_an_unknown_permission(
        self, admin_client: AsyncClient, session: AsyncSession
    ) -> None:
        role = await create_role(session)

        response = await admin_client.patch(f"roles/{role.id}", json={"permissions": ["users:fly"]})

        assert response.status_code == 422
        assert response.json()["type"] == "urn:problem:role.unknown_permission"

    async def test_takes_roles_manage(
        self, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        role = await create_role(session)

        assert (await user_client.patch(f"roles/{role.id}", json={})).status_code == 403


class TestDeleteRole:
    async def test_removes_it(self, admin_client: AsyncClient, session: AsyncSession) -> None:
        role = await create_role(session, "users:read")
        role_id, name = role.id, role.name

        with capture_logs() as lines:
            response = await admin_client.delete(f"roles/{role_id}")

        assert response.status_code == 204
        assert (await admin_client.get(f"roles/{role_id}")).status_code == 404
        left = await session.scalars(
            select(RolePermission.permission).where(RolePermission.role_id == role_id)
        )
        assert list(left) == []
        assert [(event["name"], event["role"]) for event in events(lines)] == [
            ("role_deleted", name)
        ]

    async def test_refuses_while_somebody_has_it(
        self, admin_client: AsyncClient, session: AsyncSession
    ) -> None:
        role, user = await create_role(session), await create_user(session, is_active=False)
        await give(session, user, role)

        response = await admin_client.delete(f"roles/{role.id}")

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:role.in_use"
        assert (await admin_client.get(f"roles/{role.id}")).status_code == 200

    async def test_closed_accounts_do_not_hold_it_back(
        self, admin_client: AsyncClient, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        role = await create_role(session)
        await give(session, user, role)
        await user_client.delete("users/me")

        assert (await admin_client.delete(f"roles/{role.id}")).status_code == 204

    async def test_reaches_ranks_below_ones_own_alone(
        self, admin_client: AsyncClient, session: AsyncSession
    ) -> None:
        role = await create_role(session, rank=80)

        response = await admin_client.delete(f"roles/{role.id}")

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:role.outranked"

    async def test_takes_roles_manage(
        self, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        role = await create_role(session)

        assert (await user_client.delete(f"roles/{role.id}")).status_code == 403


class TestDocument:
    async def test_names_the_permissions_a_role_can_have(self, app: Any) -> None:  # noqa: ANN401
        schemas = app.openapi()["components"]["schemas"]

        for name in ("RoleCreate", "RoleUpdate"):
            allowed = schemas[name]["properties"]["permissions"]["items"]["enum"]
            assert {"roles:manage", "roles:read", "users:manage", "users:read"} <= set(allowed)
            assert "profile:read" not in allowed
