"""Several requests at once, in transactions of their own."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from app.core.feature import Feature
from app.infrastructure.database.database import Database
from app.infrastructure.security.events import SecurityEvent, SecurityEventListener
from app.modules.role.models import Role, RolePermission, UserRole
from app.modules.user.models import User
from tests.fixtures.auth import create_user, log_in
from tests.support import client_of

from .arrange import ADMIN, create_member, create_role, ids

pytestmark = pytest.mark.anyio


class Witness(SecurityEventListener):
    """Uses the transaction, as one does that stores the events: SQLite then wants its only lock."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def receive(self, session: AsyncSession, event: SecurityEvent) -> None:
        await session.execute(text("SELECT 1"))
        self.seen.append(event.name)


@pytest.fixture
async def admin(committed: Database) -> User:
    async with committed.write_sessions() as session:
        return await create_member(session, *ADMIN, rank=80)


@pytest.fixture
async def admin_client(
    app: FastAPI, state: dict[str, Any], admin: User
) -> AsyncGenerator[AsyncClient]:
    async with client_of(app, state) as client:
        yield await log_in(client, state, admin)


async def arranged(committed: Database, roles: int) -> tuple[User, list[Role]]:
    async with committed.write_sessions() as session:
        return await create_user(session), [await create_role(session) for _ in range(roles)]


async def roles_of(committed: Database, user: User) -> set[Any]:
    async with committed.reading() as session:
        return set(
            await session.scalars(select(UserRole.role_id).where(UserRole.user_id == user.id))
        )


class TestReplaceUserRoles:
    async def test_one_of_many_sets_stays_whole(
        self, admin_client: AsyncClient, committed: Database
    ) -> None:
        user, roles = await arranged(committed, 6)
        # Fewer than there are connections: one that came last would tidy up after all others.
        pairs = [roles[:2], roles[2:4], roles[4:]] * 2

        responses = await asyncio.gather(
            *(admin_client.put(f"users/{user.id}/roles", json=ids(*pair)) for pair in pairs)
        )

        assert [response.status_code for response in responses] == [200] * 6
        wanted = [{str(it.id) for it in pair} for pair in pairs]
        assert [{it["id"] for it in response.json()} for response in responses] == wanted
        assert {str(it) for it in await roles_of(committed, user)} in wanted

    async def test_a_refusal_is_recorded_without_blocking(
        self, settings: Settings, admin: User, committed: Database
    ) -> None:
        """Once the request's own transaction is over, not beside it."""
        user, _ = await arranged(committed, 0)
        async with committed.write_sessions() as session:
            role = await create_role(session, rank=90)
        witness = Witness()
        watched = Feature(name="witness", extensions=(witness,))
        app = create_app(settings, [*enabled_features(settings), watched])

        async with app.router.lifespan_context(app) as state:
            assert state is not None
            async with client_of(app, state) as client:
                await log_in(client, dict(state), admin)
                path, body = f"users/{user.id}/roles", ids(role)
                responses = await asyncio.gather(*(client.put(path, json=body) for _ in range(5)))

        assert [response.status_code for response in responses] == [403] * 5
        assert witness.seen == ["unauthorized_access"] * 5
        assert await roles_of(committed, user) == set()


class TestDeleteRole:
    async def test_no_role_is_deleted_while_it_is_given(
        self, admin_client: AsyncClient, committed: Database
    ) -> None:
        """Either it is given and stays, or it is gone and nobody has it."""
        user, roles = await arranged(committed, 10)

        async def race(role: Role) -> tuple[int, int]:
            given, deleted = await asyncio.gather(
                admin_client.put(f"users/{user.id}/roles", json=ids(role)),
                admin_client.delete(f"roles/{role.id}"),
            )
            return given.status_code, deleted.status_code

        outcomes = [await race(role) for role in roles]

        assert set(outcomes) <= {(200, 409), (409, 204)}
        held = await roles_of(committed, user)
        async with committed.reading() as session:
            left = set(await session.scalars(select(Role.id)))
        assert held <= left
        assert len(left & {role.id for role in roles}) == outcomes.count((200, 409))

    async def test_one_of_many_deletions_wins(
        self, admin_client: AsyncClient, committed: Database
    ) -> None:
        _, (role,) = await arranged(committed, 1)

        responses = await asyncio.gather(
            *(admin_client.delete(f"roles/{role.id}") for _ in range(5))
        )

        assert Counter(it.status_code for it in responses) == {204: 1, 404: 4}


class TestCreateRole:
    async def test_one_of_many_with_a_name_wins(self, admin_client: AsyncClient) -> None:
        responses = await asyncio.gather(
            *(admin_client.post("roles", json={"name": "editor"}) for _ in range(10))
        )

        assert Counter(response.status_code for response in responses) == {201: 1, 409: 9}


class TestUpdateRole:
    async def test_one_of_many_sets_of_permissions_stays_whole(
        self, admin_client: AsyncClient, committed: Database
    ) -> None:
        _, (role,) = await arranged(committed, 1)
        sets = [["users:read", "users:manage"], ["roles:read", "roles:manage"]] * 4

        responses = await asyncio.gather(
            *(admin_client.patch(f"roles/{role.id}", json={"permissions": it}) for it in sets)
        )

        assert [response.status_code for response in responses] == [200] * 8
        async with committed.reading() as session:
            left = await session.scalars(
                select(RolePermission.permission).where(RolePermission.role_id == role.id)
            )
        assert sorted(left) in [sorted(names) for names in sets]
