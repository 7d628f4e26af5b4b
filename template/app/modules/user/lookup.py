"""The one query behind each request with a credential, and who may remember its answer."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from app.core.extensions import Extensions
from app.infrastructure.database.session import database_of

from .models import CurrentUser

_USER_FIELDS = len(CurrentUser._fields)


class FoundCaller(Protocol):
    """A named tuple: first an active account, then what the credential's own tables say."""

    @property
    def user(self) -> CurrentUser: ...


Found = TypeVar("Found", bound=FoundCaller)


class CallerMemory(ABC):
    """Spares the query for a moment; an entry of `Feature.extensions`."""

    @abstractmethod
    async def recall(self, key: str, kind: type[Found]) -> Found | None:
        """Never raises: what cannot be recalled is read."""

    @abstractmethod
    async def keep(self, key: str, found: FoundCaller) -> None: ...

    @abstractmethod
    def forget(self, session: AsyncSession, user_id: UUID | None) -> None:
        """After the commit of `session`, whatever is kept about an account; None: about all."""


async def find_caller(
    connection: HTTPConnection,
    key: str,
    kind: type[Found],
    query: Select[Any],
    values: Mapping[str, Any],
) -> Found | None:
    """What `query` reads with `values`: the columns of `CurrentUser`, then the rest of `kind`.

    `key` stands for the credential: the same one finds the same, and nobody can tell the credential
    from it. The answer may be a moment old, but not older than a recorded change to the account or
    its credentials; compare times in it with the present.
    """
    memories = _memories(connection)
    for memory in memories:
        if (found := await memory.recall(key, kind)) is not None:
            return found
    # A session of its own, closed before the route runs: holding one connection while waiting for a
    # second is how pools lock up.
    async with database_of(connection).reading() as session:
        row = (await session.execute(query, values)).one_or_none()
    if row is None:
        return None
    found = kind(CurrentUser(*row[:_USER_FIELDS]), *row[_USER_FIELDS:])  # type: ignore[call-arg]
    for memory in memories:
        await memory.keep(key, found)
    return found


async def keep_caller(connection: HTTPConnection, key: str, found: FoundCaller) -> None:
    """What was found has changed since."""
    for memory in _memories(connection):
        await memory.keep(key, found)


def _memories(connection: HTTPConnection) -> Sequence[CallerMemory]:
    return cast("Extensions", connection.state.extensions).of(CallerMemory)


def forget_caller(session: AsyncSession, extensions: Extensions, user_id: UUID) -> None:
    """For a change that is no security event; after those everything is forgotten anyway."""
    for memory in extensions.of(CallerMemory):
        memory.forget(session, user_id)
