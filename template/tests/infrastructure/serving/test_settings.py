import pytest
from pydantic import ValidationError

from app.core.settings import Environment
from app.infrastructure.serving.feature import feature
from app.infrastructure.serving.settings import ServeSettings


class TestDrain:
    @pytest.mark.parametrize(
        ("settings", "environment", "seconds", "left"),
        [
            (ServeSettings(), Environment.DEVELOPMENT, 0, 25),
            (ServeSettings(), Environment.PRODUCTION, 5, 20),
            (ServeSettings(drain_seconds=10), Environment.DEVELOPMENT, 10, 15),
            (ServeSettings(stop_seconds=4), Environment.STAGING, 2, 2),
            (ServeSettings(drain_seconds=0.9, stop_seconds=1), Environment.TEST, 0.9, 1),
        ],
    )
    def test_is_a_part_of_the_time_to_stop(
        self, settings: ServeSettings, environment: Environment, seconds: float, left: int
    ) -> None:
        assert settings.drains_for(environment) == seconds
        options = feature(settings, environment=environment).server_options
        assert options["timeout_graceful_shutdown"] == left

    def test_leaves_time_for_what_is_open(self) -> None:
        with pytest.raises(ValidationError, match="SERVE_DRAIN_SECONDS must be less"):
            ServeSettings(drain_seconds=25)
