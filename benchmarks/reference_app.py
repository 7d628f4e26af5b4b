"""What the service is compared with: FastAPI alone, and FastAPI with nothing between a handler and asyncpg.

Served as the service is, in the service's environment. No middleware, no logging, no sessions, no layers.
"""

import os
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import jwt
from app.infrastructure.security.keys import Keyring
from app.infrastructure.security.settings import SecretSettings
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, Field, SecretStr

# The key with which the service signs: the same token is read here.
_SECRET = Keyring(SecretSettings(key=SecretStr(os.environ["SECRET_KEY"]))).derive("access token HS256")[0]

_USER = """
SELECT account.id, name, username, email, email_verified, profile_image_url, is_superuser, account.created_at,
    account.updated_at
FROM user_account AS account JOIN login_session AS login ON login.user_id = account.id
WHERE login.id = $1 AND login.revoked_at IS NULL AND login.expires_at > now() AND is_active AND deleted_at IS NULL
"""
_BOOK = "id, title, author, isbn, published_in, description, created_at, updated_at"
_LIVE = "FROM book WHERE deleted_at IS NULL AND owner_id = $1"
_PAGE = f"""
SELECT {_BOOK}, (SELECT count(*) {_LIVE}) AS total {_LIVE} ORDER BY id DESC LIMIT $2 OFFSET $3
"""
_SCROLL = f"SELECT {_BOOK} {_LIVE} ORDER BY id DESC LIMIT $2"


class Status(BaseModel):
    status: str = "ok"


class Account(BaseModel):
    id: UUID
    name: str
    username: str
    email: str
    email_verified: bool
    profile_image_url: str | None
    is_superuser: bool
    created_at: datetime
    updated_at: datetime


class Book(BaseModel):
    id: UUID
    title: str
    author: str
    isbn: str
    published_in: int | None
    description: str | None
    created_at: datetime
    updated_at: datetime


class Page(BaseModel):
    data: list[Book]
    total_count: int
    page: int
    items_per_page: int
    has_more: bool


class CursorPage(BaseModel):
    data: list[Book]
    next_cursor: str | None


async def _keep(_: asyncpg.Connection) -> None:
    """Give a connection back as it is; asyncpg would otherwise ask the server to reset it."""


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], max_size=10, reset=_keep) as pool:
        yield {"pool": pool}


app = FastAPI(lifespan=_lifespan)

Limit = Annotated[int, Field(ge=1, le=100)]


async def _account(request: Request, connection: asyncpg.Connection) -> asyncpg.Record:
    token = request.headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, _SECRET, algorithms=["HS256"], audience="app", issuer="app")
    row = await connection.fetchrow(_USER, UUID(claims["sid"]))
    if row is None:
        raise HTTPException(401)
    return row


@app.get("/bare", response_model=Status)
async def bare() -> Status:
    return Status()


@app.get("/me", response_model=Account)
async def me(request: Request) -> dict[str, Any]:
    async with request.state.pool.acquire() as connection:
        return dict(await _account(request, connection))


@app.get("/page", response_model=Page)
async def page(request: Request, page: Limit = 1, items_per_page: Limit = 10) -> dict[str, Any]:
    async with request.state.pool.acquire() as connection:
        account = await _account(request, connection)
        offset = (page - 1) * items_per_page
        rows = await connection.fetch(_PAGE, account["id"], items_per_page, offset)
    total = rows[0]["total"] if rows else 0
    return {
        "data": [dict(row) for row in rows],
        "total_count": total,
        "page": page,
        "items_per_page": items_per_page,
        "has_more": page * items_per_page < total,
    }


@app.get("/scroll", response_model=CursorPage)
async def scroll(request: Request, limit: Limit = 20) -> dict[str, Any]:
    async with request.state.pool.acquire() as connection:
        account = await _account(request, connection)
        rows = await connection.fetch(_SCROLL, account["id"], limit + 1)
    last = rows[limit - 1]["id"].bytes if len(rows) > limit else None
    return {
        "data": [dict(row) for row in rows[:limit]],
        "next_cursor": None if last is None else urlsafe_b64encode(last).decode().rstrip("="),
    }
