from typing import Any
from uuid import uuid4

import pytest
from fastapi import Response
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from app.core.feature import Feature
from app.modules.auth.flow import LoginFlow
from app.modules.auth.models import LoginSession
from app.modules.auth.steps import Login, SessionRenewal
from tests.fixtures.auth import PASSWORD
from tests.support import client_of

pytestmark = pytest.mark.anyio

PROOF = {"current_password": PASSWORD}


class Stamp(SessionRenewal):
    async def renew(
        self,
        connection: HTTPConnection,  # noqa: ARG002
        response: Response,
        session: AsyncSession,  # noqa: ARG002
        login_session: LoginSession,
    ) -> None:
        response.headers["x-renewed"] = str(login_session.id)


class TestRenewal:
    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("auth/confirm", PROOF),
            ("auth/change-password", PROOF | {"new_password": "another horse battery"}),
        ],
    )
    async def test_follows_a_proof_of_identity(
        self,
        settings: Settings,
        state: dict[str, Any],
        user_client: AsyncClient,
        session: AsyncSession,
        path: str,
        body: dict[str, str],
    ) -> None:
        features = [*enabled_features(settings), Feature(name="stamp", extensions=(Stamp(),))]
        app = create_app(settings, features)
        async with app.router.lifespan_context(app) as own:
            assert own is not None
            shared = state | {"extensions": own["extensions"]}
            async with client_of(app, shared) as client:
                client.headers["authorization"] = user_client.headers["authorization"]
                wrong = await client.post(path, json=body | {"current_password": "wrong"})
                right = await client.post(path, json=body)

        assert (wrong.status_code, right.status_code) == (403, 204)
        assert "x-renewed" not in wrong.headers
        login_session = (await session.scalars(select(LoginSession))).one()
        assert right.headers["x-renewed"] == str(login_session.id)

    async def test_leaves_a_session_alone_that_was_purged_meanwhile(
        self, state: dict[str, Any]
    ) -> None:
        connection = HTTPConnection({"type": "http", "headers": [], "state": state})
        flow, response = LoginFlow(connection), Response()

        await flow.confirm(Login(user_id=uuid4(), methods=frozenset({"pwd"})), uuid4(), response)
        await flow.renew(uuid4(), response)

        assert "set-cookie" not in response.headers
