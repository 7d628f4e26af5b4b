"""Deleting what has expired, contributed by each feature that stores such things."""

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from random import uniform
from typing import ClassVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.extensions import Extensions
from app.infrastructure.timing.regular import regularly

from .database import Database
from .patience import allow_long_statements

logger = structlog.get_logger()


class Purge(ABC):
    """An entry of `Feature.extensions`."""

    name: ClassVar[str]

    @abstractmethod
    async def purge(self, session: AsyncSession, now: datetime) -> int:
        """Delete what nobody can need after `now`, and count it. Running twice must be harmless."""


class PurgedElsewhere:
    """An entry of `Feature.extensions`: something else calls `purge`, so no process does itself."""


async def purge(database: Database, extensions: Extensions) -> dict[str, int]:
    """How many rows of each kind are gone; one transaction for each kind."""
    counts = {}
    for item in extensions.of(Purge):
        async with database.transaction() as session:
            await allow_long_statements(session)
            counts[item.name] = await item.purge(session, datetime.now(UTC))
    return counts


def purging(
    database: Database, extensions: Extensions, interval_seconds: float
) -> AbstractAsyncContextManager[None]:
    """Purge now and then. Every process may: the second one finds nothing to delete."""

    async def job() -> None:
        logger.info("purged", **await purge(database, extensions))

    # Not all processes of a deployment at the same moment.
    return regularly(job, lambda: interval_seconds * uniform(0.9, 1.1), name="purge")  # noqa: S311 (not a secret)
