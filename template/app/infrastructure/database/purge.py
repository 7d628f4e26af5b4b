"""Deleting what has expired, contributed by each feature that stores such things."""

import asyncio
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from random import uniform
from typing import ClassVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.extensions import Extensions

from .database import Database

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
            counts[item.name] = await item.purge(session, datetime.now(UTC))
    return counts


async def purge_regularly(
    database: Database, extensions: Extensions, interval_seconds: float
) -> None:
    """Purge until cancelled. Every process may: the second one finds nothing to delete."""
    while True:
        # Not all processes of a deployment at the same moment.
        await asyncio.sleep(interval_seconds * uniform(0.9, 1.1))  # noqa: S311 (not a secret)
        try:
            logger.info("purged", **await purge(database, extensions))
        except Exception:
            logger.exception("purge failed")
