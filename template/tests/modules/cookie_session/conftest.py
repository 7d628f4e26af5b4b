from collections.abc import AsyncGenerator
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from app.modules.user.models import User
from tests.support import client_of

from .browser import log_in


@pytest.fixture
async def browser(app: FastAPI, state: dict[str, Any]) -> AsyncGenerator[AsyncClient]:
    """Over HTTPS, and nobody is logged in."""
    async with client_of(app, state, base_url="https://test") as client:
        yield client


@pytest.fixture
async def own_browser(browser: AsyncClient, user: User) -> AsyncClient:
    """`user` is logged in, and the page sends the CSRF token."""
    await log_in(browser, user)
    return browser
