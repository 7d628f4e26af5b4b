"""One request is one transaction, and the edge owns it: nothing else commits."""

from collections.abc import AsyncGenerator
from typing import Annotated, cast

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from .database import Database


def database_of(connection: HTTPConnection) -> Database:
    return cast("Database", connection.state.database)


async def get_database(connection: HTTPConnection) -> Database:
    return database_of(connection)


DatabaseDep = Annotated[Database, Depends(get_database)]
"""For WebSockets and streams, which open one short session for each message."""


async def get_session(connection: HTTPConnection) -> AsyncGenerator[AsyncSession]:
    async with database_of(connection).transaction() as session:
        yield session


async def get_read_session(connection: HTTPConnection) -> AsyncGenerator[AsyncSession]:
    async with database_of(connection).reading() as session:
        yield session


# `scope="function"` ends the transaction before the response is sent. With FastAPI's default the
# client would be told 201 first, and the commit could still fail.
SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]
ReadSessionDep = Annotated[AsyncSession, Depends(get_read_session, scope="function")]
