"""Reports what is logged as an error: one way for requests, tasks and commands."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import sentry_sdk
import typer
from pydantic import SecretStr
from sentry_sdk.integrations.argv import ArgvIntegration
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import event_from_exception
from structlog.contextvars import get_contextvars
from structlog.typing import EventDict

from app.core.errors import DomainError
from app.core.routing import route_template
from app.core.settings import Environment
from app.infrastructure.logging.redaction import clean
from app.infrastructure.logging.watching import watching

from .request import current_request
from .settings import SentrySettings

if TYPE_CHECKING:
    from sentry_sdk._types import (
        DataCollectionUserOptions,
        KeyValueCollectionBehaviour,
        LogLevelStr,
    )

# Of a log line: what Sentry has fields of its own for.
_OWN = frozenset({"event", "level", "timestamp", "exc_info", "logger"})
_LEVELS: "dict[str, LogLevelStr]" = {"error": "error", "critical": "fatal"}
_OFF: "KeyValueCollectionBehaviour" = {"mode": "off"}
# What the library would collect by itself, of people and of what they have sent.
_NOTHING: "DataCollectionUserOptions" = {
    "user_info": False,
    "cookies": _OFF,
    "http_headers": {"request": _OFF},
    "http_bodies": [],
    "url_query_params": _OFF,
    "database_query_data": False,
    "queues": False,
    "stack_frame_variables": False,
}
# They are raised to end a command, whose user is told why.
_EXPECTED = (DomainError, typer.Exit, typer.Abort)


@asynccontextmanager
async def reporting(
    dsn: SecretStr, settings: SentrySettings, *, environment: Environment, release: str
) -> AsyncGenerator[None]:
    """In the block, and what goes wrong with it."""
    _begin(dsn, settings, environment=environment, release=release)
    try:
        with watching(report):
            yield
    except Exception as exc:
        if not isinstance(exc, _EXPECTED):
            sentry_sdk.capture_exception(exc)
        raise
    finally:
        client = sentry_sdk.get_client()
        sentry_sdk.get_global_scope().set_client(None)
        # It waits, in a thread of its own for the others' sake.
        await asyncio.to_thread(client.close, settings.close_seconds)


async def flush(seconds: float) -> None:
    """Wait until what was reported so far is sent."""
    await asyncio.to_thread(sentry_sdk.get_client().flush, seconds)


def _begin(
    dsn: SecretStr, settings: SentrySettings, *, environment: Environment, release: str
) -> None:
    traces = settings.traces_sample_rate > 0
    sentry_sdk.init(
        dsn=dsn.get_secret_value(),
        environment=settings.environment or environment.value,
        release=settings.release or release,
        sample_rate=settings.sample_rate,
        traces_sample_rate=settings.traces_sample_rate if traces else None,
        # Those of frameworks and libraries are for traces, and take a second to import.
        default_integrations=traces,
        auto_enabling_integrations=traces,
        disabled_integrations=[ArgvIntegration, LoggingIntegration, ExcepthookIntegration],
        integrations=[DedupeIntegration()],
        data_collection=_NOTHING,
        max_breadcrumbs=0,
        auto_session_tracking=False,
        send_client_reports=False,
        enable_metrics=False,
        before_send=_complete,
        before_send_transaction=_complete,
    )


def report(line: EventDict) -> None:
    """Send a log line, if it is an error."""
    level = _LEVELS.get(line.get("level", ""))
    # First: nearly all lines are none.
    if level is None or not (client := sentry_sdk.get_client()).is_active():
        return
    event: Event = {}
    hint: Hint = {}
    error = _error_of(line)
    if error is not None:
        event, hint = event_from_exception(
            error,
            client_options=client.options,
            mechanism={"type": "log", "handled": True},
        )
    event["level"] = level
    event["logentry"] = {"message": str(line["event"])}
    if logger := line.get("logger"):
        event["logger"] = str(logger)
    event["contexts"] = {"log": {name: value for name, value in line.items() if name not in _OWN}}
    sentry_sdk.capture_event(event, hint)


def _error_of(line: EventDict) -> BaseException | None:
    """What `exc_info` says, in each of the ways of `logging`."""
    given: Any = line.get("exc_info")
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return cast("BaseException | None", given[1])
    return sys.exc_info()[1] if given else None


def _complete(event: Event, _: Hint) -> Event:
    """Say where it happened, and nothing that is secret or personal."""
    bound = get_contextvars()
    event["tags"] = {name: str(value) for name, value in bound.items() if name != "user_id"}
    if "user_id" in bound:
        event["user"] = {"id": bound["user_id"]}
    event.pop("request", None)
    if (scope := current_request(bound.get("request_id"))) is not None:
        # Neither the query nor headers nor the body.
        event["request"] = {"method": scope.get("method", "WEBSOCKET"), "url": scope["path"]}
        event["transaction"] = route_template(scope) or "unknown"
    return cast("Event", clean(event))
