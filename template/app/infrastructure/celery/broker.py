"""The Celery application: one of its own for each process, made from the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from app.core.extensions import Extensions
from app.core.measures import Histogram

from .settings import CelerySettings
from .tasks import Task, TaskMessage

if TYPE_CHECKING:
    from celery import Celery
    from celery.app.task import Context

WAITS = Histogram(
    "task_wait_seconds", "Tasks from being sent until a worker has time for them.", "task"
)
_SENT_AT = "sent_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """What carries the messages."""

    url: SecretStr | None = None
    prefix: str = ""
    """What its keys begin with, on a server that others use too."""
    tls: Mapping[str, Any] = field(default_factory=dict)
    """Beyond those that the address asks for."""

    @property
    def address(self) -> str:
        """As Celery reads it; raises `ValueError` if there is none."""
        if self.url is None:
            raise ValueError("CELERY_BROKER_URL names no broker")
        return self.url.get_secret_value()

    @property
    def is_encrypted(self) -> bool:
        """Whether its scheme is that of another one and an `s`."""
        from kombu.transport import TRANSPORT_ALIASES  # noqa: PLC0415

        return self._scheme.endswith("s") and self._scheme[:-1] in TRANSPORT_ALIASES

    @property
    def is_emulated(self) -> bool:
        """Whether it knows neither queues nor acknowledgements by itself."""
        from kombu.transport import get_transport_cls  # noqa: PLC0415
        from kombu.transport.virtual import Transport  # noqa: PLC0415

        try:
            transport = get_transport_cls(self._scheme)
        except KeyError:
            raise ValueError("CELERY_BROKER_URL names no broker that is known") from None
        return transport is not None and issubclass(transport, Transport)

    @property
    def _scheme(self) -> str:
        # What follows a plus says how to reach the server.
        return urlsplit(self.address).scheme.partition("+")[0]


@dataclass(frozen=True, slots=True)
class CelerySetup:
    """What the feature lists for the entry point of workers and beat."""

    settings: CelerySettings
    broker: Broker


def create_celery(setup: CelerySetup, extensions: Extensions) -> "Celery":
    # Only processes that have a broker pay for the import.
    from celery import Celery  # noqa: PLC0415

    celery = Celery("app", set_as_current=False)
    celery.conf.update(_options(setup, extensions))
    return celery


def hard_limit(settings: CelerySettings, task: Task[Any]) -> float:
    """The hard time limit of a task; raises `ValueError` if it would be given out twice."""
    soft = task.soft_time_limit_seconds or settings.soft_time_limit_seconds
    hard = task.time_limit_seconds or settings.time_limit_seconds
    if not soft < hard < settings.visibility_timeout_seconds - settings.retry_max_wait_seconds:
        raise ValueError(
            f"the task {task.name} needs a soft time limit below the hard one, and that one below "
            "CELERY_VISIBILITY_TIMEOUT_SECONDS less CELERY_RETRY_MAX_WAIT_SECONDS"
        )
    return hard


def publish(celery: "Celery", message: TaskMessage, *, queue: str | None) -> None:
    """Send it, whatever that takes; None: to the queue of the settings."""
    celery.send_task(
        message.name,
        kwargs={"message": message.model_dump(mode="json")},
        task_id=str(message.id),
        queue=queue or celery.conf.task_default_queue,
        confirm_timeout=celery.conf.broker_connection_timeout,
        headers={_SENT_AT: time()},
        # Celery would put the values into headers, and from there into logs.
        argsrepr="()",
        kwargsrepr="{}",
    )


def observe_wait(request: "Context", name: str) -> None:
    """Of what has just been received for the first time, by the clocks of two machines."""
    if request.retries == 0 and (sent_at := (request.headers or {}).get(_SENT_AT)) is not None:
        WAITS.observe(max(0.0, time() - sent_at), name)


def _options(setup: CelerySetup, extensions: Extensions) -> dict[str, Any]:
    from kombu.entity import Queue  # noqa: PLC0415

    settings, broker = setup.settings, setup.broker
    own = {task.queue for task in extensions.of(Task) if task.queue is not None}
    return {
        "broker_url": broker.address,
        "broker_transport_options": _transport_options(setup),
        "broker_connection_retry_on_startup": True,
        # A worker that has given up would have to be started by hand.
        "broker_connection_max_retries": None,
        "broker_connection_timeout": settings.dispatch_timeout_seconds,
        # Nothing but plain values, and nothing that unpickles.
        "accept_content": ["json"],
        "task_serializer": "json",
        "event_serializer": "json",
        "enable_utc": True,
        "timezone": "UTC",
        # What became of a task is in the database.
        "result_backend": None,
        "task_ignore_result": True,
        "task_default_queue": settings.queue,
        "task_queues": [
            Queue(name)  # type: ignore[no-untyped-call]
            for name in (settings.queue, *sorted(own))
        ],
        # Acknowledged when it is done: who dies in the middle leaves it to others.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        # That counts as an attempt, or a task that kills its process would do so for ever.
        "task_retry_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_max_tasks_per_child": settings.tasks_per_child,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # For opening the features, on a machine that is busy.
        "worker_proc_alive_timeout": 30,
        "worker_redirect_stdouts": False,
        # Tasks are cancelled by the database; and a worker's queue for commands is exclusive, so
        # that one which follows a dead one at once could not start.
        "worker_enable_remote_control": False,
        "worker_hijack_root_logger": False,
        "task_time_limit": settings.time_limit_seconds,
        # One attempt more, at once: the connection of the pool may be that of a former server.
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0, "interval_step": 0},
        "beat_max_loop_interval": 5,
    } | _tls(broker)


def _transport_options(setup: CelerySetup) -> dict[str, Any]:
    settings = setup.settings
    if not setup.broker.is_emulated:
        # It is sent when the broker says so, not when it is in a buffer of ours.
        return {"confirm_publish": True, "max_retries": 1, "interval_start": 0, "interval_step": 0}
    return {
        "visibility_timeout": settings.visibility_timeout_seconds,
        # How often workers look for what others have left; the default is 100 seconds.
        "unacked_restore_interval": min(10.0, settings.visibility_timeout_seconds / 4),
        "unacked_restore_throttle": 1,
        "global_keyprefix": setup.broker.prefix,
        "socket_connect_timeout": settings.dispatch_timeout_seconds,
        "socket_timeout": settings.dispatch_timeout_seconds,
        "socket_keepalive": True,
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0,
    }


def _tls(broker: Broker) -> dict[str, Any]:
    if not broker.is_encrypted:
        return {}
    if broker.is_emulated:
        # Kombu would check nothing, unless told to.
        return {"broker_use_ssl": {"ssl_cert_reqs": "required", **broker.tls}}
    # None: the host of the address. Without the key the name in the certificate is not checked.
    return {"broker_use_ssl": {"server_hostname": None}}
