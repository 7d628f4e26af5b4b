from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from app.core.extensions import Extensions
from app.core.feature import Feature, ReadinessCheck, State, commands_of
from app.infrastructure.database.purge import PurgedElsewhere

from .broker import WAITS, Broker, CelerySetup, create_celery
from .dead_letters import DeadLetterPurge
from .execution import DURATIONS, GIVEN_UP, ExecutionPurge, TaskRunner
from .local import LocalSender
from .purging import purge_expired
from .queue import LOST, BrokerSender, Sender, TaskQueue, task_queue_of
from .settings import CelerySettings
from .tasks import Periodic


def feature(
    settings: CelerySettings,
    *,
    purge_interval_seconds: float,
    shared: Broker | None = None,
) -> Feature:
    """`shared` is the server that carries the tasks if the settings name none of their own."""
    base = shared or Broker()
    broker = Broker(url=settings.broker_url or base.url, prefix=base.prefix, tls=base.tls)
    setup = CelerySetup(settings, broker)

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        extensions: Extensions = state["extensions"]
        # Tasks see what all features have opened, and those after this one are still closed: it
        # is the same object until all are open.
        sender = _sender(setup, state)
        try:
            yield {"task_queue": TaskQueue(sender, state["database"], extensions, settings)}
        finally:
            await sender.aclose()

    return Feature(
        name="celery",
        lifespan=lifespan,
        extensions=(
            setup,
            purge_expired,
            ExecutionPurge(),
            DeadLetterPurge(settings),
            DURATIONS,
            GIVEN_UP,
            LOST,
            WAITS,
            *_scheduled(broker, purge_interval_seconds),
        ),
        readiness=(ReadinessCheck(name="tasks", check=_check, is_required=False),),
        commands={"celery": commands_of(__package__, settings)},
    )


def _sender(setup: CelerySetup, state: State) -> Sender:
    if setup.broker.url is None:
        return LocalSender(TaskRunner(state, setup.settings), inline=setup.settings.inline)
    extensions: Extensions = state["extensions"]
    return BrokerSender(create_celery(setup, extensions), extensions, setup.settings)


def _scheduled(broker: Broker, interval_seconds: float) -> tuple[object, ...]:
    if broker.url is None or not interval_seconds:
        return ()
    every = timedelta(seconds=interval_seconds)
    return (PurgedElsewhere(), Periodic(task=purge_expired, every=every))


async def _check(state: State) -> None:
    await task_queue_of(state).sender.ping()
