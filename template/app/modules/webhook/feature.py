from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from app.core.extensions import Extensions
from app.core.feature import Feature, State, late_router
from app.infrastructure.celery.broker import CelerySetup
from app.infrastructure.celery.queue import task_queue_of
from app.infrastructure.celery.tasks import Periodic

from .delivery import Courier, deliver, sweep
from .events import KnownEvents
from .listeners import ACCOUNT_NOTICE, NoticeTeller
from .notices import ENDPOINT_DISABLED
from .openapi import WebhooksSection
from .permissions import READ_WEBHOOKS, WRITE_WEBHOOKS
from .privacy import DeliveryPurge, WebhooksData
from .sending import Webhooks
from .service import Scheme
from .settings import WebhookSettings
from .signing import SecretBox
from .sweeping import sweeping


def feature(settings: WebhookSettings, *, deployed: bool) -> Feature:
    """Where deployed, endpoints must be reached by https."""
    teller = NoticeTeller()
    scheme = Scheme(https_only=deployed)

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        extensions: Extensions = state["extensions"]
        queue = task_queue_of(state)
        box = SecretBox(state["keyring"].derive("webhook secret"))
        courier = Courier(settings, box, state["events"], scheme.admits)
        webhooks = Webhooks(queue, KnownEvents(extensions))
        teller.attach(webhooks, extensions)
        async with AsyncExitStack() as stack:
            if all(setup.broker.url is None for setup in extensions.of(CelerySetup)):
                await stack.enter_async_context(sweeping(state["database"], courier, queue))
            yield {"webhooks": webhooks, "webhook_courier": courier, "webhook_scheme": scheme}

    return Feature(
        name="webhook",
        routers=(late_router(__package__, "/webhooks"),),
        lifespan=lifespan,
        extensions=(
            READ_WEBHOOKS,
            WRITE_WEBHOOKS,
            ACCOUNT_NOTICE,
            ENDPOINT_DISABLED,
            teller,
            deliver,
            sweep,
            Periodic(task=sweep, every=timedelta(seconds=settings.sweep_interval_seconds)),
            WebhooksSection(),
            WebhooksData(),
            DeliveryPurge(settings),
        ),
    )
