from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from app.modules.api_key.settings import ApiKeySettings
from app.modules.user.models import User
from tests.fixtures.api_key import generate
from tests.fixtures.auth import log_in
from tests.support import client_of


@pytest.fixture
async def settings_of(
    state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Puts other settings in force: `settings_of(keys_per_user=2)`."""
    return lambda **values: monkeypatch.setitem(state, "api_key_settings", ApiKeySettings(**values))


@pytest.fixture
async def stale_client(
    app: FastAPI, state: dict[str, Any], user: User
) -> AsyncGenerator[AsyncClient]:
    """Logged in as `user` so long ago that the login counts as recent no more."""
    async with client_of(app, state) as client:
        yield await log_in(client, state, user, age=timedelta(hours=1))


@pytest.fixture
async def generated(user_client: AsyncClient) -> dict[str, Any]:
    return await generate(user_client)
