from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from app.bootstrap.settings import load_settings
from app.bootstrap.variables import ConfigurationError
from app.core.settings import Environment
from app.infrastructure.tracing.settings import OtelSettings


class TestAddress:
    @pytest.mark.parametrize(
        ("given", "address"),
        [
            ({}, None),
            ({"exporter_otlp_endpoint": "http://c:4318"}, "http://c:4318/v1/traces"),
            ({"exporter_otlp_endpoint": "https://c/otlp/"}, "https://c/otlp/v1/traces"),
            ({"exporter_otlp_traces_endpoint": "http://t/x"}, "http://t/x"),
            (
                {
                    "exporter_otlp_endpoint": "http://c:4318",
                    "exporter_otlp_traces_endpoint": "http://t/x",
                },
                "http://t/x",
            ),
            ({"exporter_otlp_endpoint": "http://c:4318", "traces_exporter": "none"}, None),
            ({"exporter_otlp_endpoint": "http://c:4318", "sdk_disabled": True}, None),
        ],
    )
    def test_is_made_as_the_specification_says(
        self, given: dict[str, object], address: str | None
    ) -> None:
        assert OtelSettings.model_validate(given).address == address

    @pytest.mark.parametrize("wrong", ["collector:4317", "ftp://c", "http://"])
    def test_must_be_one(self, wrong: str) -> None:
        with pytest.raises(ValidationError, match="must begin with http://"):
            OtelSettings(exporter_otlp_endpoint=wrong)

    def test_is_not_reached_by_another_protocol(self) -> None:
        with pytest.raises(ValidationError, match="http/protobuf"):
            OtelSettings.model_validate({"exporter_otlp_protocol": "grpc"})


class TestHeaders:
    def test_are_secret(self) -> None:
        settings = OtelSettings(exporter_otlp_headers=SecretStr("authorization=Bearer%20abc"))

        assert "abc" not in repr(settings)
        assert settings.headers == {"authorization": "Bearer abc"}
        assert OtelSettings().headers == {}

    @pytest.mark.parametrize("wrong", ["Bearer abc", "=abc", "a=b,abc"])
    def test_must_be_pairs(self, wrong: str) -> None:
        with pytest.raises(ValidationError, match="name=value,name=value") as raised:
            OtelSettings(exporter_otlp_headers=SecretStr(wrong))

        assert "abc" not in str(raised.value)


class TestRatio:
    @pytest.mark.parametrize(
        ("sampler", "share", "ratio"),
        [
            ("traceidratio", None, 0.1),
            ("traceidratio", 0.5, 0.5),
            ("parentbased_traceidratio", 0.5, 0.5),
            ("always_on", 0.5, 1),
            ("parentbased_always_on", None, 1),
            ("parentbased_always_off", None, 0),
        ],
    )
    def test_is_what_the_sampler_says(
        self, sampler: str, share: float | None, ratio: float
    ) -> None:
        given = {"traces_sampler": sampler, "traces_sampler_arg": share}
        settings = OtelSettings.model_validate(given)

        assert settings.ratio(Environment.PRODUCTION) == ratio
        assert settings.follows_callers == sampler.startswith("parentbased")

    def test_is_all_while_developing(self) -> None:
        assert OtelSettings().ratio(Environment.DEVELOPMENT) == 1


class TestVariables:
    def test_of_the_library_are_let_pass(
        self, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert bare_environment.is_dir()
        for name in (
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            "OTEL_METRICS_EXPORTER",
            "OTEL_BSP_SCHEDULE_DELAY",
            "OTEL_RESOURCE_ATTRIBUTES_POD_NAME",
        ):
            monkeypatch.setenv(name, "7")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "teapot")

        assert load_settings().otel.attributes == {"service.name": "teapot"}

    def test_that_are_misspelt_are_not(
        self, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert bare_environment.is_dir()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPONT", "http://c:4318")

        with pytest.raises(ConfigurationError, match="Did you mean OTEL_EXPORTER_OTLP_ENDPOINT"):
            load_settings()
