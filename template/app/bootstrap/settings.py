"""The whole configuration: one group for each feature, read once, at start-up."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict, SettingsError

from app.core.settings import Environment
from app.custom import CustomSettings
# {% if cache %}
from app.infrastructure.cache.settings import CacheSettings
# {% endif %}
# {% if celery and broker == 'redis' %}
from app.infrastructure.celery.settings import SharedBrokerSettings as CelerySettings
# {% endif %}
# {% if celery and broker != 'redis' %}
# {% print 'from app.infrastructure.celery.settings import CelerySettings\n' %}
# {% endif %}
# {% if database %}
from app.infrastructure.database.settings import DatabaseSettings
# {% endif %}
from app.infrastructure.docs.settings import DocsSettings
# {% if email %}
from app.infrastructure.email.settings import EmailSettings
# {% endif %}
# {% if events %}
from app.infrastructure.events.settings import EventsSettings
# {% endif %}
from app.infrastructure.http.settings import (
    CorsSettings,
    RequestSettings,
    SecuritySettings,
    TrustedSettings,
)
# {% if http_client %}
from app.infrastructure.http_client.settings import HttpClientSettings
# {% endif %}
from app.infrastructure.logging.settings import LogSettings
# {% if metrics %}
from app.infrastructure.metrics.settings import MetricsSettings
# {% endif %}
# {% if outbox %}
from app.infrastructure.outbox.settings import OutboxSettings
# {% endif %}
# {% if profiling %}
from app.infrastructure.profiling.settings import ProfilingSettings
# {% endif %}
# {% if rate_limit %}
from app.infrastructure.rate_limit.settings import RateLimitSettings
# {% endif %}
# {% if redis %}
from app.infrastructure.redis.settings import RedisSettings
# {% endif %}
# {% if secrets %}
from app.infrastructure.secrets.settings import SecretsSettings
# {% endif %}
# {% if auth %}
from app.infrastructure.security.settings import AuthSettings, SecretSettings
# {% endif %}
# {% if sentry %}
from app.infrastructure.sentry.settings import SentrySettings
# {% endif %}
from app.infrastructure.serving.settings import ServeSettings
# {% if files %}
from app.infrastructure.storage.settings import StorageSettings
# {% endif %}
# {% if tracing %}
from app.infrastructure.tracing.settings import OtelSettings
# {% endif %}
# {% if email %}
from app.modules.account_email.settings import AccountEmailSettings
# {% endif %}
# {% if admin %}
from app.modules.admin.settings import AdminSettings
# {% endif %}
# {% if api_keys %}
from app.modules.api_key.settings import ApiKeySettings
# {% endif %}
# {% if audit %}
from app.modules.audit.settings import AuditSettings
# {% endif %}
# {% if caller_cache %}
from app.modules.caller_cache.settings import CallerCacheSettings
# {% endif %}
# {% if sessions %}
from app.modules.cookie_session.settings import SessionSettings
# {% endif %}
# {% if files %}
from app.modules.file.settings import FileSettings
# {% endif %}
# {% if idempotency %}
from app.modules.idempotency.settings import IdempotencySettings
# {% endif %}
# {% if sse %}
from app.modules.notice_stream.settings import NoticeStreamSettings
# {% endif %}
# {% if oauth %}
from app.modules.oauth.settings import OAuthSettings
# {% endif %}
# {% if pages %}
from app.modules.page.settings import PageSettings
# {% endif %}
# {% if task_api %}
from app.modules.task.settings import TaskSettings
# {% endif %}
# {% if tiers %}
from app.modules.tier.settings import TierSettings
# {% endif %}
# {% if two_factor %}
from app.modules.two_factor.settings import TwoFactorSettings
# {% endif %}
# {% if webhooks %}
from app.modules.webhook.settings import WebhookSettings
# {% endif %}
# {% if websockets %}
from app.modules.websocket.settings import WebsocketSettings
# {% endif %}

from .variables import ConfigurationError, explain, misspelt_variables

TITLE = "{{ project_name }}"
DESCRIPTION = "{{ project_description }}"
VERSION = "0.1.0"


class Settings(CustomSettings):
    """Read from the environment and from `.env`; the environment wins.

    A group and a field make a variable's name: `docs.password` is `DOCS_PASSWORD`.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        # `LOG_FORMAT=` in a copied .env.example, or an empty field of a platform's form.
        env_ignore_empty=True,
        env_nested_delimiter="_",
        env_nested_max_split=1,
        # Other tools keep variables of their own in .env; misspelt ones are caught by
        # `misspelt_variables`.
        extra="ignore",
        frozen=True,
        # A start-up error goes to the log; the values it complains about may be secrets.
        hide_input_in_errors=True,
    )

    version: ClassVar[str] = VERSION

    environment: Environment = Environment.DEVELOPMENT
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    release: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]{1,100}$")] = VERSION
    """What runs, a commit for one; everybody may see it at `/health/live`."""

    # {% if email %}
    account_email: AccountEmailSettings = AccountEmailSettings()
    # {% endif %}
    # {% if admin %}
    admin: AdminSettings = AdminSettings()
    # {% endif %}
    # {% if api_keys %}
    api_key: ApiKeySettings = ApiKeySettings()
    # {% endif %}
    # {% if audit %}
    audit: AuditSettings = AuditSettings()
    # {% endif %}
    # {% if auth %}
    auth: AuthSettings = AuthSettings()
    # {% endif %}
    # {% if cache %}
    cache: CacheSettings = CacheSettings()
    # {% endif %}
    # {% if caller_cache %}
    caller_cache: CallerCacheSettings = CallerCacheSettings()
    # {% endif %}
    # {% if celery %}
    celery: CelerySettings = CelerySettings()
    # {% endif %}
    cors: CorsSettings = CorsSettings()
    # {% if database %}
    database: DatabaseSettings = DatabaseSettings()
    # {% endif %}
    docs: DocsSettings = DocsSettings()
    # {% if email %}
    email: EmailSettings = EmailSettings()
    # {% endif %}
    # {% if events %}
    events: EventsSettings = EventsSettings()
    # {% endif %}
    # {% if files %}
    file: FileSettings = FileSettings()
    # {% endif %}
    # {% if http_client %}
    http_client: HttpClientSettings = HttpClientSettings()
    # {% endif %}
    # {% if idempotency %}
    idempotency: IdempotencySettings = IdempotencySettings()
    # {% endif %}
    log: LogSettings = LogSettings()
    # {% if metrics %}
    metrics: MetricsSettings = MetricsSettings()
    # {% endif %}
    # {% if sse %}
    notice_stream: NoticeStreamSettings = NoticeStreamSettings()
    # {% endif %}
    # {% if oauth %}
    oauth: OAuthSettings = OAuthSettings()
    # {% endif %}
    # {% if tracing %}
    otel: OtelSettings = OtelSettings()
    # {% endif %}
    # {% if outbox %}
    outbox: OutboxSettings = OutboxSettings()
    # {% endif %}
    # {% if pages %}
    page: PageSettings = PageSettings()
    # {% endif %}
    # {% if profiling %}
    profiling: ProfilingSettings = ProfilingSettings()
    # {% endif %}
    # {% if rate_limit %}
    rate_limit: RateLimitSettings = RateLimitSettings()
    # {% endif %}
    # {% if redis %}
    redis: RedisSettings = RedisSettings()
    # {% endif %}
    request: RequestSettings = RequestSettings()
    # {% if auth %}
    secret: SecretSettings = SecretSettings()
    # {% endif %}
    # {% if secrets %}
    secrets: SecretsSettings = SecretsSettings()
    # {% endif %}
    security: SecuritySettings = SecuritySettings()
    # {% if sentry %}
    sentry: SentrySettings = SentrySettings()
    # {% endif %}
    serve: ServeSettings = ServeSettings()
    # {% if sessions %}
    session: SessionSettings = SessionSettings()
    # {% endif %}
    # {% if files %}
    storage: StorageSettings = StorageSettings()
    # {% endif %}
    # {% if task_api %}
    task: TaskSettings = TaskSettings()
    # {% endif %}
    # {% if tiers %}
    tier: TierSettings = TierSettings()
    # {% endif %}
    trusted: TrustedSettings = TrustedSettings()
    # {% if two_factor %}
    two_factor: TwoFactorSettings = TwoFactorSettings()
    # {% endif %}
    # {% if webhooks %}
    webhook: WebhookSettings = WebhookSettings()
    # {% endif %}
    # {% if websockets %}
    websocket: WebsocketSettings = WebsocketSettings()
    # {% endif %}

    @model_validator(mode="after")
    def _deployed_is_strict(self) -> Self:
        if self.environment.is_deployed and (refusals := self.refusals()):
            raise ValueError("\n".join(refusals))
        return self


def load_settings() -> Settings:
    """Read the settings.

    Raises `ConfigurationError`, whose text says which variable is wrong and what to do, without
    its value.
    """
    if problems := misspelt_variables(Settings):
        raise ConfigurationError(problems)
    try:
        return Settings()
    except (ValidationError, SettingsError) as exc:
        # `from None`: the original carries the values.
        raise ConfigurationError(explain(exc, Settings)) from None
