from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import func, select

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from app.infrastructure.database.database import Database
from app.modules.user.models import User
from tests.fixtures.auth import create_user, log_in
from tests.support import client_of

from .shop import FEATURE, ORDER, Shop
from .shop import shop as the_shop


@pytest.fixture(scope="session")
def shop_app(settings: Settings) -> FastAPI:
    """The service with a shop; it takes its state from the one that the other tests use."""
    return create_app(settings, [*enabled_features(settings), FEATURE])


@pytest.fixture
def shop() -> Shop:
    the_shop.reset()
    return the_shop


@pytest.fixture
async def buyer(
    shop_app: FastAPI, state: dict[str, Any], shop: Shop, user: User
) -> AsyncGenerator[AsyncClient]:
    shop.reset()
    async with client_of(shop_app, state) as client:
        yield await log_in(client, state, user)


@pytest.fixture
async def real_buyer(
    shop_app: FastAPI, state: dict[str, Any], shop: Shop, committed: Database
) -> AsyncGenerator[AsyncClient]:
    """As `buyer`, and every commit is real."""
    shop.reset()
    async with committed.write_sessions() as session:
        user = await create_user(session)
    async with client_of(shop_app, state) as client:
        yield await log_in(client, state, user)


@pytest.fixture
def count_orders(state: dict[str, Any]) -> Callable[[], Awaitable[int]]:
    """How many the database has."""

    async def count() -> int:
        async with state["database"].reading() as session:
            statement = select(func.count()).select_from(User).where(User.name == ORDER)
            return int((await session.scalars(statement)).one())

    return count
