import pytest
from httpx2 import AsyncClient

from app.modules.user.models import User

pytestmark = pytest.mark.anyio


async def test_is_a_copy_of_everything(user_client: AsyncClient, user: User) -> None:
    response = await user_client.get("users/me/export")

    assert response.status_code == 200
    body = response.json()
    assert body["account"]["email"] == user.email
    assert [it["kind"] for it in body["login_sessions"]] == ["token"]
    assert "hash" not in response.text
    assert "$argon2" not in response.text
