"""The Redis of the service as the broker of its tasks."""

from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from app.infrastructure.redis.settings import RedisSettings

from .broker import Broker


def shared_redis(settings: RedisSettings) -> Broker:
    url = None if settings.url is None else SecretStr(_address(settings.url.get_secret_value()))
    return Broker(url=url, prefix=f"{settings.prefix}:celery:", tls=settings.tls_options)


def _address(url: str) -> str:
    """As Kombu writes it."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    number = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{parts.path}?virtual_host={number}"
