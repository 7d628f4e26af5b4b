from collections.abc import AsyncGenerator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.user.models import User
from tests.fixtures.auth import create_user
from tests.support import client_of

from .browser import Browser


@pytest.fixture
async def browser(app: FastAPI, state: dict[str, Any]) -> AsyncGenerator[Browser]:
    """Over HTTPS, and nobody is logged in."""
    async with client_of(app, state, base_url="https://test") as client:
        yield Browser(client)


@pytest.fixture
async def root(session: AsyncSession, password_hash: str) -> User:
    """A superuser with a password."""
    return await create_user(
        session, username="root-ada", hashed_password=password_hash, is_superuser=True
    )


@pytest.fixture
async def panel(browser: Browser, root: User) -> Browser:
    """`root` is in it."""
    response = await browser.log_in(root)
    assert response.status_code == 303
    await browser.open("/")
    return browser
