"""What `celery -A app.worker worker` and `beat` run."""

import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, cast

import structlog
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from billiard.util import get_logger as billiard_logger
from celery import Celery, bootsteps, signals
from celery import Task as CeleryTask
from celery.exceptions import Reject
from celery.worker.consumer import Consumer

from app.core.extensions import Extensions

from .acknowledging import AcknowledgedRequest
from .broker import CelerySetup, create_celery, hard_limit, observe_wait
from .errors import TaskRetryError
from .execution import TaskRunner
from .runtime import OpenFeatures, Runtime
from .schedule import beat_schedule
from .settings import WORKER
from .tasks import Task, TaskMessage

logger = structlog.get_logger()

_HEARTBEAT_SECONDS = 5


def create_worker(
    extensions: Extensions,
    open_features: OpenFeatures,
    supervised: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Celery:
    """The application of workers and beat; ends the process if there is no broker.

    `supervised` is entered by the parent of the worker's processes, around their lives.
    """
    (setup,) = extensions.of(CelerySetup)
    try:
        celery = create_celery(setup, extensions)
    except ValueError as exc:
        sys.exit(f"{exc}: without one the service does its tasks itself.")
    celery.runtime = Runtime(open_features, setup.settings)
    celery.conf.update(
        worker_consumer=f"{__name__}:QuietConsumer",
        beat_scheduler="app.infrastructure.celery.schedule:StoredScheduler",
        beat_schedule=beat_schedule(extensions),
    )
    celery.steps["worker"].add(LivenessStep)
    for task in extensions.of(Task):
        _register(celery, task, setup)
    _connect(celery)
    _supervise(supervised)
    _quieten()
    return celery


def _quieten() -> None:
    # What the runner logs once, with the request id, these would log again.
    logging.getLogger("celery.app.trace").setLevel(logging.CRITICAL)
    logging.getLogger("celery.worker.strategy").setLevel(logging.WARNING)
    # To our handlers, instead of as it is to standard error.
    billiard_logger().propagate = True


def runtime_of(celery: Celery) -> Runtime:
    return cast("Runtime", celery.runtime)


def _register(celery: Celery, task: Task[Any], setup: CelerySetup) -> None:
    @celery.task(  # type: ignore[untyped-decorator]  # Celery has no types
        name=task.name,
        bind=True,
        Request=AcknowledgedRequest,
        max_retries=task.retries,
        time_limit=hard_limit(setup.settings, task),
        # For a process that died; what was raised waits as long as the runner says.
        default_retry_delay=setup.settings.retry_wait_seconds,
    )
    def run(self: CeleryTask, message: dict[str, Any]) -> None:
        perform(self, TaskMessage.model_validate(message))


def perform(celery_task: CeleryTask, message: TaskMessage) -> None:
    runtime = runtime_of(celery_task.app)
    attempt = celery_task.request.retries + 1
    observe_wait(celery_task.request, message.name)
    with structlog.contextvars.bound_contextvars(
        request_id=message.request_id, task_id=str(message.id)
    ):
        try:
            runtime.run(lambda state: TaskRunner(state, runtime.settings).run(message, attempt))
        except TaskRetryError as exc:
            _send_again(celery_task, exc.wait_seconds)


def _send_again(celery_task: CeleryTask, wait_seconds: float) -> None:
    try:
        # Whether there is another attempt is decided already.
        celery_task.retry(
            countdown=wait_seconds,
            max_retries=celery_task.request.retries + 1,
            # As in `publish`.
            argsrepr="()",
            kwargsrepr="{}",
        )
    except Reject as exc:
        # It could not be sent, and Celery would give it up. So it goes back to the broker.
        raise Reject(exc.reason, requeue=True) from exc


def _connect(celery: Celery) -> None:
    """Receive the signals of the processes that this application runs in."""
    runtime = runtime_of(celery)

    def open_features(**_: object) -> None:
        runtime.open()

    def close_features(**_: object) -> None:
        runtime.close()

    def keep_lost(
        sender: CeleryTask, exception: Exception, kwargs: dict[str, Any], **_: object
    ) -> None:
        # Told by the parent of the process that died; any other failure the runner has kept.
        if isinstance(exception, TimeLimitExceeded | WorkerLostError):
            message = TaskMessage.model_validate(kwargs["message"])
            _keep(celery, message, exception, attempts=(sender.request.retries or 0) + 1)

    def leave_logging_alone(**_: object) -> None:
        """Celery would put its own handlers in place of ours."""

    signals.worker_process_init.connect(open_features, weak=False)
    signals.worker_process_shutdown.connect(close_features, weak=False)
    signals.task_failure.connect(keep_lost, weak=False)
    signals.setup_logging.connect(leave_logging_alone, weak=False)


def _supervise(supervised: Callable[[], AbstractContextManager[None]]) -> None:
    stack = ExitStack()

    def begin(**_: object) -> None:
        stack.enter_context(supervised())

    def end(**_: object) -> None:
        stack.close()

    signals.worker_init.connect(begin, weak=False)
    signals.worker_shutdown.connect(end, weak=False)


def _keep(celery: Celery, message: TaskMessage, error: Exception, *, attempts: int) -> bool:
    """Whether it is a dead letter now."""
    runtime = runtime_of(celery)
    names = {"name": message.name, "task_id": str(message.id), "error": type(error).__name__}
    try:
        runtime.run(
            lambda state: TaskRunner(state, runtime.settings).fail(
                message, error, attempts=attempts
            )
        )
    except Exception:
        logger.exception("task not kept", **names)
        return False
    logger.error("task failed", **names)
    return True


class QuietConsumer(Consumer):  # type: ignore[misc]
    """Writes no message into the log, as Celery does with those that it cannot use."""

    def on_decode_error(self, message: Any, exc: Exception) -> None:  # noqa: ANN401
        logger.error("message refused", content_type=message.content_type, error=type(exc).__name__)
        message.ack()

    def on_invalid_task(self, body: object, message: Any, exc: Exception) -> None:  # noqa: ANN401, ARG002
        logger.error("message refused", error=type(exc).__name__)
        message.ack()

    def on_unknown_task(self, body: object, message: Any, exc: Exception) -> None:  # noqa: ANN401
        """Of a newer version, perhaps: it can be requeued when all workers know it."""
        try:
            unknown = TaskMessage.model_validate(message.payload[1]["message"])
        except Exception as invalid:  # noqa: BLE001 (a stranger's: anything may be wrong with it)
            self.on_invalid_task(body, message, invalid)
            return
        if _keep(self.app, unknown, exc, attempts=0):
            message.ack()
        # Else the broker gives it out again.


class LivenessStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Touches the worker's sign of life, whether or not the broker can be reached."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, worker: Any, **options: object) -> None:  # noqa: ANN401
        super().__init__(worker, **options)
        self._heartbeat = runtime_of(worker.app).settings.heartbeat(WORKER)

    def start(self, worker: Any) -> None:  # noqa: ANN401
        self._heartbeat.touch()
        self._beats = worker.timer.call_repeatedly(_HEARTBEAT_SECONDS, self._heartbeat.touch)

    def stop(self, worker: Any) -> None:  # noqa: ANN401, ARG002
        # Else it would be back while the last tasks are finished.
        self._beats.cancel()
        self._heartbeat.remove()
