import pytest
from pydantic import SecretStr

from app.core.extensions import Extensions
from app.infrastructure.celery.broker import Broker, CelerySetup, create_celery
from app.infrastructure.celery.settings import CelerySettings
from app.infrastructure.celery.shared_redis import shared_redis
from app.infrastructure.redis.settings import RedisSettings


class TestSharedRedis:
    @pytest.mark.parametrize(
        ("url", "address"),
        [
            ("unix:///run/r.sock?db=3", "redis+socket:///run/r.sock?virtual_host=3"),
            ("unix:///run/r.sock", "redis+socket:///run/r.sock?virtual_host=0"),
            ("redis://host:1/2", "redis://host:1/2"),
        ],
    )
    def test_is_named_as_the_broker_library_does(self, url: str, address: str) -> None:
        broker = shared_redis(RedisSettings(url=SecretStr(url), prefix="shop"))

        assert (broker.address, broker.prefix) == (address, "shop:celery:")
        assert broker.is_emulated

    def test_is_no_broker_without_an_address(self) -> None:
        assert shared_redis(RedisSettings()).url is None

    @pytest.mark.parametrize(
        ("url", "is_verified", "options"),
        [
            ("rediss://host", True, {"ssl_cert_reqs": "required"}),
            ("rediss://host", False, {"ssl_cert_reqs": "none", "ssl_check_hostname": False}),
            ("redis://host", True, False),
        ],
    )
    def test_shows_a_certificate_unless_told_otherwise(
        self, url: str, options: object, *, is_verified: bool
    ) -> None:
        broker = shared_redis(RedisSettings(url=SecretStr(url), tls_verify=is_verified))

        assert use_tls(broker) == options


def use_tls(broker: Broker) -> object:
    celery = create_celery(CelerySetup(CelerySettings(), broker), Extensions())
    return celery.conf.broker_use_ssl
