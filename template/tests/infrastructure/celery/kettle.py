"""Tasks for the tests, and what `celery -A` runs in a worker process of theirs."""

import asyncio
import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import ClassVar

from celery.concurrency.asynpool import AsynPool
from pydantic import BaseModel, JsonValue
from sqlalchemy import text

from app.bootstrap.lifespan import open_features
from app.core.errors import UnavailableError
from app.core.feature import Feature, extensions_of
from app.core.settings import Environment
from app.infrastructure.celery import feature as celery
from app.infrastructure.celery.settings import CelerySettings
from app.infrastructure.celery.tasks import NoPayload, TaskContext, task
from app.infrastructure.celery.worker import create_worker
from app.infrastructure.database import feature as database
from app.infrastructure.database.settings import DatabaseSettings
from app.infrastructure.logging.settings import LogFormat, LogSettings
from app.infrastructure.logging.setup import configure_logging


class Boil(BaseModel):
    cup: str
    begun: Path | None = None
    """A file that is made at the beginning."""
    gate: Path | None = None
    """A file that it waits for."""
    failures: int = 0
    """How often it fails before it works."""


class NoWaterError(UnavailableError):
    code: ClassVar[str] = "kettle.no_water"
    title: ClassVar[str] = "No water"

    def __init__(self) -> None:
        super().__init__("Fill it.", retry_after_seconds=1)


class BrokenError(Exception):
    """Never works."""


async def pour(context: TaskContext, cup: str) -> None:
    await context.session.execute(
        text("INSERT INTO kettle (cup, attempt) VALUES (:cup, :attempt)"),
        {"cup": cup, "attempt": context.attempt},
    )


@task("kettle.boil", Boil, retries=3)
async def boil(context: TaskContext, payload: Boil) -> JsonValue:
    if payload.begun is not None:
        payload.begun.touch()
    if context.attempt <= payload.failures:
        raise NoWaterError
    while payload.gate is not None and not payload.gate.exists():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await pour(context, payload.cup)
    return {"cup": payload.cup}


@task("kettle.burst", Boil)
async def burst(context: TaskContext, payload: Boil) -> JsonValue:
    await pour(context, payload.cup)
    raise BrokenError("hunter2")


@task("kettle.simmer", NoPayload, soft_time_limit_seconds=0.1)
async def simmer(*_: object) -> JsonValue:
    await asyncio.sleep(3600)
    return None


@task("kettle.stick", NoPayload, soft_time_limit_seconds=0.1, time_limit_seconds=0.2)
async def stick(*_: object) -> JsonValue:
    # What blocks the loop cannot be cancelled.
    time.sleep(3600)  # noqa: ASYNC251
    return None


@task("kettle.die", Boil, retries=1)
async def die(context: TaskContext, payload: Boil) -> JsonValue:
    if context.attempt <= payload.failures:
        os.kill(os.getpid(), signal.SIGKILL)
    await pour(context, payload.cup)
    return None


@task("kettle.whistle", NoPayload)
async def whistle(context: TaskContext, _: NoPayload) -> JsonValue:
    await pour(context, "whistle")
    return None


TASKS = (boil, burst, simmer, stick, die, whistle)


def features(
    database_settings: DatabaseSettings, settings: CelerySettings, *others: object
) -> list[Feature]:
    return [
        database.feature(database_settings, environment=Environment.TEST),
        celery.feature(settings, purge_interval_seconds=3600),
        Feature(name="kettle", extensions=(*TASKS, *others)),
    ]


def work(database_settings: DatabaseSettings, settings: CelerySettings) -> None:
    """What `celery -A ... worker` does, with these tasks."""
    configure_logging(LogSettings(format=LogFormat.JSON), deployed=True)
    parts = features(database_settings, settings)
    app = create_worker(extensions_of(parts), partial(open_features, parts))
    # How often it looks for dead children: it would be five seconds.
    AsynPool.timers = property(lambda pool: {pool.maintain_pool: 0.1})
    # Without the options it would spend a second looking for others.
    app.start(["-q", "worker", "--concurrency=1", "--without-mingle", "--without-gossip"])
