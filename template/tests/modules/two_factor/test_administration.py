from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap.features import enabled_features
from app.core.extensions import Extensions
from app.core.feature import extensions_of
from app.modules.two_factor.feature import feature
from app.modules.two_factor.settings import TwoFactorSettings
from app.modules.two_factor.steps import TwoFactorCondition
from app.modules.user.authentication import Authentication
from app.modules.user.models import User
from app.modules.user.permissions import Condition
from tests.fixtures.auth import PASSWORD, create_user, log_in
from tests.support import FixedSettings, client_of

from .phone import Clock, Events, Phone, first_half, second_half

pytestmark = pytest.mark.anyio


class TestReset:
    async def test_lets_somebody_in_who_has_lost_everything(
        self,
        superuser_client: AsyncClient,
        user_client: AsyncClient,
        client: AsyncClient,
        phone: Phone,
        superuser: User,
    ) -> None:
        with Events() as events:
            response = await superuser_client.delete(f"users/{phone.user.id}/two-factor")

        assert response.status_code == 204
        assert events.names == ["token_revoked", "two_factor_reset"]
        reset = events.all[1]
        assert reset["log_level"] == "warning"
        assert reset["actor_id"] == str(superuser.id)
        assert reset["target_id"] == str(phone.user.id)
        assert (await user_client.get("two-factor")).status_code == 401
        form = {"username": phone.user.username, "password": PASSWORD}
        assert (await client.post("auth/token", data=form)).status_code == 200

    async def test_unlocks(
        self,
        superuser_client: AsyncClient,
        client: AsyncClient,
        app: FastAPI,
        state: dict[str, Any],
        phone: Phone,
    ) -> None:
        challenge = await first_half(client, phone.user)
        for _ in range(6):
            await second_half(client, challenge, phone.wrong_code())
        await superuser_client.delete(f"users/{phone.user.id}/two-factor")

        async with client_of(app, state) as anew:
            await Phone.set_up(await log_in(anew, state, phone.user), phone.user, phone.clock)

    async def test_without_one_changes_nothing(
        self, superuser_client: AsyncClient, user_client: AsyncClient, user: User
    ) -> None:
        with Events() as events:
            response = await superuser_client.delete(f"users/{user.id}/two-factor")

        assert response.status_code == 204
        assert events.names == []
        assert (await user_client.get("users/me")).status_code == 200

    async def test_takes_the_permission(
        self, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        other = await create_user(session)
        response = await user_client.delete(f"users/{other.id}/two-factor")

        assert response.status_code == 403
        assert 'scope="two_factor:reset"' in response.headers["www-authenticate"]

    async def test_not_of_your_own_account(
        self, superuser_client: AsyncClient, superuser: User, clock: Clock
    ) -> None:
        await Phone.set_up(superuser_client, superuser, clock)

        response = await superuser_client.delete(f"users/{superuser.id}/two-factor")

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:user.outranked"
        assert (await superuser_client.get("two-factor")).json()["is_active"] is True

    async def test_unknown_accounts_are_not_found(self, superuser_client: AsyncClient) -> None:
        response = await superuser_client.delete(f"users/{uuid4()}/two-factor")

        assert response.status_code == 404


class TestRequiredForSuperusers:
    @pytest.fixture
    async def strict(self, app: FastAPI, state: dict[str, Any], superuser: User) -> AsyncClient:
        """A superuser's client, where the setting is on."""
        extensions = Extensions((*state["extensions"].of(object), TwoFactorCondition()))
        authentication = Authentication(extensions, recent_seconds=900)
        client = client_of(app, {**state, "authentication": authentication})
        return await log_in(client, state, superuser)

    async def test_is_off_by_default(self, superuser_client: AsyncClient) -> None:
        assert TwoFactorSettings().required_for_superusers is False
        assert (await superuser_client.get("users")).status_code == 200

    @pytest.mark.parametrize("required", [False, True])
    def test_the_setting_switches_it(self, *, required: bool) -> None:
        group = TwoFactorSettings(required_for_superusers=required)
        settings = FixedSettings(environment="test", two_factor=group)
        conditions = extensions_of(enabled_features(settings)).of(Condition)

        assert [type(it) for it in conditions] == [TwoFactorCondition] * required
        assert len(extensions_of([feature(group, settings.secret, title="T")]).of(Condition)) == (
            required
        )

    async def test_withholds_what_is_not_everybodys(
        self, strict: AsyncClient, superuser: User, user: User
    ) -> None:
        with Events() as events:
            response = await strict.get("users")

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:two_factor.enrolment_required"
        assert events.names == ["unauthorized_access"]
        assert events.all[0]["target_id"] == str(superuser.id)
        assert (await strict.delete(f"users/{user.id}")).status_code == 403

    async def test_leaves_the_own_account_alone(self, strict: AsyncClient) -> None:
        assert (await strict.get("users/me")).status_code == 200
        assert (await strict.get("two-factor")).status_code == 200

    async def test_is_met_by_an_active_second_factor(
        self, strict: AsyncClient, superuser: User, clock: Clock
    ) -> None:
        await strict.post("two-factor/enrol")
        assert (await strict.get("users")).status_code == 403
        await Phone.set_up(strict, superuser, clock)

        assert (await strict.get("users")).status_code == 200

    async def test_holds_for_a_limited_login_too(
        self, strict: AsyncClient, state: dict[str, Any], superuser: User
    ) -> None:
        await log_in(strict, state, superuser, scopes=["users:read"])

        assert (await strict.get("users")).status_code == 403
