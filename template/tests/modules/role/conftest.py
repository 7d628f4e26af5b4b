from collections.abc import AsyncGenerator
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.user.models import User
from tests.fixtures.auth import log_in
from tests.support import client_of

from .arrange import ADMIN, create_member


@pytest.fixture
async def admin(session: AsyncSession) -> User:
    """Rank 80, with all permissions that accounts and roles take."""
    return await create_member(session, *ADMIN, rank=80)


@pytest.fixture
async def admin_client(
    app: FastAPI, state: dict[str, Any], admin: User
) -> AsyncGenerator[AsyncClient]:
    """Logged in as `admin`."""
    async with client_of(app, state) as client:
        yield await log_in(client, state, admin)
