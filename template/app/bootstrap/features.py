"""The features this service is built from, in start-up order. The template keeps this list.

Yours are in `app/custom.py`.
"""

from collections.abc import Sequence

from app.core.feature import Feature
from app.custom import custom_features
# {% if cache %}
from app.infrastructure.cache import feature as cache
# {% endif %}
# {% if celery %}
from app.infrastructure.celery import feature as celery
# {% endif %}
# {% if celery and broker == 'redis' %}
from app.infrastructure.celery.shared_redis import shared_redis
# {% endif %}
# {% if database %}
from app.infrastructure.database import feature as database
# {% endif %}
from app.infrastructure.docs import feature as docs
# {% if email %}
from app.infrastructure.email import feature as email
# {% endif %}
# {% if events %}
from app.infrastructure.events import feature as events
# {% endif %}
# {% if http_client %}
from app.infrastructure.http_client import feature as http_client
# {% endif %}
# {% if metrics %}
from app.infrastructure.metrics import feature as metrics
# {% endif %}
# {% if outbox %}
from app.infrastructure.outbox import feature as outbox
# {% endif %}
# {% if profiling %}
from app.infrastructure.profiling import feature as profiling
# {% endif %}
# {% if rate_limit %}
from app.infrastructure.rate_limit import feature as rate_limit
# {% endif %}
# {% if redis %}
from app.infrastructure.redis import feature as redis
# {% endif %}
# {% if auth %}
from app.infrastructure.security import feature as security
# {% endif %}
# {% if sentry %}
from app.infrastructure.sentry import feature as sentry
# {% endif %}
from app.infrastructure.serving import feature as serving
# {% if files %}
from app.infrastructure.storage import feature as storage
# {% endif %}
# {% if tracing %}
from app.infrastructure.tracing import feature as tracing
# {% endif %}
# {% if email %}
from app.modules.account_email import feature as account_email
# {% endif %}
# {% if admin %}
from app.modules.admin import feature as admin
# {% endif %}
# {% if api_keys %}
from app.modules.api_key import feature as api_key
# {% endif %}
# {% if audit %}
from app.modules.audit import feature as audit
# {% endif %}
# {% if auth %}
from app.modules.auth import feature as auth
# {% endif %}
# {% if example %}
from app.modules.book import feature as book
# {% endif %}
# {% if book_cache %}
from app.modules.book_cache import feature as book_cache
# {% endif %}
# {% if caller_cache %}
from app.modules.caller_cache import feature as caller_cache
# {% endif %}
# {% if sessions %}
from app.modules.cookie_session import feature as cookie_session
# {% endif %}
# {% if files %}
from app.modules.file import feature as file
# {% endif %}
from app.modules.health import feature as health
# {% if idempotency %}
from app.modules.idempotency import feature as idempotency
# {% endif %}
# {% if sse %}
from app.modules.notice_stream import feature as notice_stream
# {% endif %}
# {% if oauth %}
from app.modules.oauth import feature as oauth
# {% endif %}
# {% if pages %}
from app.modules.page import feature as page
# {% endif %}
# {% if rbac %}
from app.modules.role import feature as role
# {% endif %}
# {% if task_api %}
from app.modules.task import feature as task
# {% endif %}
# {% if tiers %}
from app.modules.tier import feature as tier
# {% endif %}
# {% if two_factor %}
from app.modules.two_factor import feature as two_factor
# {% endif %}
# {% if auth %}
from app.modules.user import feature as user
# {% endif %}
# {% if webhooks %}
from app.modules.webhook import feature as webhook
# {% endif %}
# {% if websockets %}
from app.modules.websocket import feature as websocket
# {% endif %}

from .settings import TITLE, Settings


def enabled_features(settings: Settings) -> Sequence[Feature]:
    deployed = settings.environment.is_deployed
    features = [
        # {% if tracing %}
        # Closed last, and what is logged from here on says in which trace.
        tracing.feature(
            settings.otel, environment=settings.environment, title=TITLE, version=settings.release
        ),
        # {% endif %}
        # {% if sentry %}
        # Early: it reports what goes wrong while the others open.
        sentry.feature(settings.sentry, environment=settings.environment, release=settings.release),
        # {% endif %}
        serving.feature(settings.serve, environment=settings.environment),
        # {% if database %}
        database.feature(settings.database, environment=settings.environment),
        # {% endif %}
        # {% if redis %}
        redis.feature(settings.redis),
        # {% endif %}
        # {% if cache %}
        cache.feature(settings.cache, settings.redis),
        # {% endif %}
        # {% if celery %}
        celery.feature(
            settings.celery,
            purge_interval_seconds=settings.database.purge_interval_seconds,
            # {% if broker == 'redis' %}
            shared=shared_redis(settings.redis),
            # {% endif %}
        ),
        # {% endif %}
        # {% if http_client %}
        http_client.feature(settings.http_client, title=TITLE),
        # {% endif %}
        # {% if files %}
        storage.feature(settings.storage),
        # {% endif %}
        # {% if outbox %}
        outbox.feature(settings.outbox),
        # {% endif %}
        # {% if email %}
        email.feature(settings.email, title=TITLE),
        # {% endif %}
        # {% if auth %}
        security.feature(settings.secret, settings.auth),
        user.feature(settings.auth),
        auth.feature(),
        # {% endif %}
        # {% if rate_limit %}
        rate_limit.feature(settings.rate_limit),
        # {% endif %}
        # {% if sessions %}
        cookie_session.feature(settings.session, settings.cors),
        # {% endif %}
        # {% if email %}
        account_email.feature(settings.account_email),
        # {% endif %}
        # {% if oauth %}
        oauth.feature(settings.oauth),
        # {% endif %}
        # {% if two_factor %}
        two_factor.feature(settings.two_factor, settings.secret, title=TITLE),
        # {% endif %}
        # {% if rbac %}
        role.feature(),
        # {% endif %}
        # {% if api_keys %}
        api_key.feature(settings.api_key),
        # {% endif %}
        # {% if audit %}
        audit.feature(settings.audit),
        # {% endif %}
        # {% if caller_cache %}
        caller_cache.feature(settings.caller_cache),
        # {% endif %}
        # {% if tiers %}
        tier.feature(settings.tier),
        # {% endif %}
        # {% if idempotency %}
        idempotency.feature(settings.idempotency),
        # {% endif %}
        # {% if task_api %}
        task.feature(settings.task),
        # {% endif %}
        # {% if files %}
        file.feature(settings.file),
        # {% endif %}
        # {% if websockets %}
        websocket.feature(settings.websocket, settings.cors),
        # {% endif %}
        # {% if sse %}
        notice_stream.feature(settings.notice_stream),
        # {% endif %}
        # {% if webhooks %}
        webhook.feature(settings.webhook, deployed=deployed),
        # {% endif %}
        # {% if pages %}
        page.feature(settings.page, settings.docs, deployed=deployed),
        # {% endif %}
        # {% if example %}
        book.feature(),
        # {% endif %}
        # {% if book_cache %}
        book_cache.feature(),
        # {% endif %}
        # {% if admin %}
        admin.feature(settings.admin, title=TITLE),
        # {% endif %}
        docs.feature(settings.docs, title=TITLE, deployed=deployed),
        # {% if profiling %}
        profiling.feature(settings.profiling, environment=settings.environment),
        # {% endif %}
        *custom_features(settings),
        # {% if events %}
        # Closed early: its handlers may use all that is above.
        events.feature(settings.events, settings.redis),
        # {% endif %}
        # {% if metrics %}
        # It shows what all the others have opened.
        metrics.feature(settings.metrics, deployed=deployed),
        # {% endif %}
    ]
    return [*features, health.feature(features, release=settings.release)]
