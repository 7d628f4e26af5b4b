import pytest
from pydantic import SecretStr, ValidationError

from app.core.extensions import Extensions
from app.infrastructure.celery.broker import Broker, CelerySetup, create_celery
from app.infrastructure.celery.settings import CelerySettings, SharedBrokerSettings
from app.infrastructure.celery.tasks import Task

from .kettle import Boil, boil

# Known to Kombu, in every project.
URL = SecretStr("memory://:hunter2@host/0")


class TestSettings:
    def test_refuse_what_is_no_address_without_showing_it(self) -> None:
        with pytest.raises(ValidationError) as refusal:
            CelerySettings(broker_url=SecretStr("hunter2"))

        assert "must look like scheme://user:password@host:port/name" in str(refusal.value)
        assert "hunter2" not in str(refusal.value)

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"soft_time_limit_seconds": 300}, "soft_time_limit_seconds must be less"),
            ({"visibility_timeout_seconds": 600}, "visibility_timeout_seconds must be more"),
            ({"retry_max_wait_seconds": 600}, "visibility_timeout_seconds must be more"),
        ],
    )
    def test_refuse_times_under_which_tasks_would_be_given_out_twice(
        self, values: dict[str, float], message: str
    ) -> None:
        with pytest.raises(ValidationError, match=message):
            CelerySettings.model_validate(values)

    def test_refuse_the_stand_in_where_deployed(self) -> None:
        refusals = CelerySettings(inline=True).refusals()

        assert [refusal.split(":")[0] for refusal in refusals] == [
            "CELERY_BROKER_URL must name a broker",
            "CELERY_INLINE=true is for tests",
        ]
        assert CelerySettings(broker_url=URL).refusals() == []

    def test_leave_the_refusal_of_a_shared_server_to_its_own_settings(self) -> None:
        assert SharedBrokerSettings().refusals() == []


class TestCelery:
    def test_accepts_json_alone_and_loses_nothing_with_a_worker(self) -> None:
        own: Task[Boil] = Task(
            name="kettle.big", payload=Boil, function=boil.function, queue="heavy"
        )
        setup = CelerySetup(CelerySettings(), Broker(url=URL, prefix="shop:"))
        conf = create_celery(setup, Extensions([boil, own])).conf

        assert (conf.accept_content, conf.task_serializer) == (["json"], "json")
        assert (conf.task_acks_late, conf.task_reject_on_worker_lost) == (True, True)
        assert (conf.worker_prefetch_multiplier, conf.timezone) == (1, "UTC")
        assert conf.result_backend is None
        assert [queue.name for queue in conf.task_queues] == ["tasks", "heavy"]
        assert conf.broker_transport_options["visibility_timeout"] == 900
        assert conf.broker_transport_options["global_keyprefix"] == "shop:"
        assert conf.broker_use_ssl is False

    @pytest.mark.parametrize("url", [None, SecretStr("unheard://of")])
    def test_needs_a_broker(self, url: SecretStr | None) -> None:
        with pytest.raises(ValueError, match="CELERY_BROKER_URL names no broker"):
            create_celery(CelerySetup(CelerySettings(), Broker(url=url)), Extensions())
