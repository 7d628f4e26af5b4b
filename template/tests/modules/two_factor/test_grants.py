from typing import Any, ClassVar

import pytest
from fastapi import Response
from httpx2 import AsyncClient
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from app.core.extensions import Extensions
from app.core.feature import Feature, extensions_of
from app.modules.auth.models import LoginSession
from app.modules.auth.steps import Grant, Login
from app.modules.user.models import User
from tests.support import client_of

from .phone import Phone

pytestmark = pytest.mark.anyio

REFUSED = "urn:problem:two_factor.refused"


class Slip(BaseModel):
    slip: str


class SlipGrant(Grant):
    """Another form of login."""

    name: ClassVar[str] = "paper-slip"
    schema = Slip

    async def issue(
        self,
        connection: HTTPConnection,  # noqa: ARG002
        response: Response,  # noqa: ARG002
        session: AsyncSession,  # noqa: ARG002
        login_session: LoginSession,
    ) -> Slip:
        return Slip(slip=login_session.kind)


class TestGrants:
    @pytest.fixture
    def with_slips(self, settings: Settings, state: dict[str, Any]) -> AsyncClient:
        features = [
            *enabled_features(settings),
            Feature(name="slip", extensions=(SlipGrant(),)),
        ]
        # The routes are those of more features; everything that was opened is the same.
        extensions = Extensions((*state["extensions"].of(object), SlipGrant()))
        assert len(extensions_of(features).of(Grant)) == len(extensions.of(Grant))
        return client_of(create_app(settings, features), {**state, "extensions": extensions})

    def challenge(self, state: dict[str, Any], user: User, grant: str) -> str:
        login = Login(user_id=user.id, methods=frozenset({"fed"}), grant=grant)
        return str(state["two_factor"].issue_challenge(login))

    async def test_each_has_a_second_half(
        self, with_slips: AsyncClient, state: dict[str, Any], phone: Phone
    ) -> None:
        body = {
            "challenge": self.challenge(state, phone.user, "paper-slip"),
            "code": phone.next_code(),
        }
        response = await with_slips.post("auth/paper-slip/two-factor", json=body)

        assert response.status_code == 200, response.text
        assert response.json() == {"slip": "paper-slip"}

    @pytest.mark.parametrize(("asked", "sent"), [("token", "paper-slip"), ("paper-slip", "token")])
    async def test_a_login_ends_in_the_form_it_was_begun_for(
        self,
        with_slips: AsyncClient,
        state: dict[str, Any],
        phone: Phone,
        asked: str,
        sent: str,
    ) -> None:
        body = {"challenge": self.challenge(state, phone.user, asked), "code": phone.next_code()}
        response = await with_slips.post(f"auth/{sent}/two-factor", json=body)

        assert response.status_code == 401
        assert response.json()["type"] == REFUSED

    async def test_is_described(self, settings: Settings) -> None:
        features = [*enabled_features(settings), Feature(name="slip", extensions=(SlipGrant(),))]
        paths = create_app(settings, features).openapi()["paths"]

        operation = paths["/api/v1/auth/paper-slip/two-factor"]["post"]
        assert operation["operationId"] == "complete_paper_slip_login"
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert answer == {"$ref": "#/components/schemas/Slip"}
