import pytest
from pydantic import SecretStr

from app.core.extensions import Extensions
from app.infrastructure.celery.broker import Broker, CelerySetup, create_celery
from app.infrastructure.celery.settings import CelerySettings


class TestRabbitMQ:
    @pytest.mark.parametrize(
        ("url", "options"),
        [("amqps://host", {"server_hostname": None}), ("amqp://host", False)],
    )
    def test_shows_a_certificate_with_its_name(self, url: str, options: object) -> None:
        broker = Broker(url=SecretStr(url))
        conf = create_celery(CelerySetup(CelerySettings(), broker), Extensions()).conf

        assert conf.broker_use_ssl == options
        assert "visibility_timeout" not in conf.broker_transport_options
