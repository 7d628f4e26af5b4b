import jwt
import pytest
from httpx2 import AsyncClient
from pydantic import SecretStr

from app.bootstrap.features import enabled_features
from app.infrastructure.database.settings import DatabaseSettings
from app.infrastructure.security.settings import AuthSettings, SecretSettings
from tests.fixtures.auth import ADA, PASSWORD
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio

PATH = "http://test/.well-known/jwks.json"


class TestReadSigningKeys:
    async def test_shows_none_while_they_are_secret(self, client: AsyncClient) -> None:
        response = await client.get(PATH)

        assert (response.status_code, response.json()) == (200, {"keys": []})

    async def test_shows_what_others_need_to_check_our_tokens(
        self,
        database_settings: DatabaseSettings,
        committed: object,  # noqa: ARG002 (clears away what this service stores)
    ) -> None:
        settings = FixedSettings(
            environment="test",
            auth=AuthSettings(algorithm="EdDSA"),
            secret=SecretSettings(key=SecretStr("k" * 40)),
            database=database_settings,
        )
        async with serving(settings, enabled_features(settings)) as client:
            await client.post("users", json=ADA)
            login = await client.post(
                "auth/token", data={"username": ADA["username"], "password": PASSWORD}
            )
            keys = jwt.PyJWKSet.from_dict((await client.get(PATH)).json())

        token = login.json()["access_token"]
        key = keys[jwt.get_unverified_header(token)["kid"]]
        assert jwt.decode(token, key, algorithms=["EdDSA"], audience="app")["type"] == "access"
