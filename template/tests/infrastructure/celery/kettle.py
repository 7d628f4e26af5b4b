"""Tasks for the tests, and what `celery -A` runs in a worker process of theirs."""

import asyncio
import json
import os
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, JsonValue
from sqlalchemy import text

from app.bootstrap.lifespan import open_features
from app.core.errors import UnavailableError
from app.core.feature import Feature, extensions_of
from app.core.settings import Environment
from app.infrastructure.celery import feature as celery
from app.infrastructure.celery.settings import CelerySettings
from app.infrastructure.celery.tasks import NoPayload, Periodic, TaskContext, task
from app.infrastructure.database import feature as database
from app.infrastructure.database.settings import DatabaseSettings
from app.infrastructure.logging.settings import LogFormat, LogSettings
from app.infrastructure.logging.setup import configure_logging


class Boil(BaseModel):
    cup: str
    seconds: float = 0
    """How long it takes."""
    begun: Path | None = None
    """A file that is made at the beginning."""
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
    await asyncio.sleep(payload.seconds)
    await pour(context, payload.cup)
    return {"cup": payload.cup}


@task("kettle.burst", Boil)
async def burst(context: TaskContext, payload: Boil) -> JsonValue:
    await pour(context, payload.cup)
    raise BrokenError("hunter2")


@task("kettle.stick", Boil)
async def stick(_: TaskContext, payload: Boil) -> JsonValue:
    # What blocks the loop cannot be cancelled.
    time.sleep(payload.seconds)  # noqa: ASYNC251
    return None


@task("kettle.die", Boil, retries=1)
async def die(_: TaskContext, payload: Boil) -> JsonValue:  # noqa: ARG001
    os.kill(os.getpid(), 9)
    return None


@task("kettle.whistle", NoPayload)
async def whistle(context: TaskContext, _: NoPayload) -> JsonValue:
    await pour(context, "whistle")
    return None


TASKS = (boil, burst, stick, die, whistle)


def features(
    database_settings: DatabaseSettings, settings: CelerySettings, *others: object
) -> list[Feature]:
    return [
        database.feature(database_settings, environment=Environment.TEST),
        celery.feature(settings, purge_interval_seconds=3600),
        Feature(name="kettle", extensions=(*TASKS, *others)),
    ]


if given := os.environ.get("KETTLE"):
    from app.infrastructure.celery.worker import create_worker

    groups = json.loads(given)
    configure_logging(LogSettings(format=LogFormat.JSON), deployed=True)
    _features = features(
        DatabaseSettings.model_validate(groups["database"]),
        CelerySettings.model_validate(groups["celery"]),
        Periodic(task=whistle, every=timedelta(seconds=1)),
    )
    app = create_worker(extensions_of(_features), partial(open_features, _features))
