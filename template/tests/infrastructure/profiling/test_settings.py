import pytest
from pydantic import ValidationError

from app.core.settings import Environment
from app.infrastructure.profiling.feature import feature
from app.infrastructure.profiling.settings import ProfilingSettings
from tests.support import FixedSettings


class TestEnabled:
    @pytest.mark.parametrize(
        ("enabled", "environment", "is_on"),
        [
            (None, Environment.DEVELOPMENT, True),
            (None, Environment.TEST, False),
            (None, Environment.PRODUCTION, False),
            (True, Environment.TEST, True),
            (False, Environment.DEVELOPMENT, False),
        ],
    )
    def test_is_for_development(
        self, *, enabled: bool | None, environment: Environment, is_on: bool
    ) -> None:
        found = feature(ProfilingSettings(enabled=enabled), environment=environment)

        assert bool(found.middleware) == is_on

    @pytest.mark.parametrize("environment", ["staging", "production"])
    def test_is_refused_where_deployed(self, environment: str) -> None:
        with pytest.raises(ValidationError, match="PROFILING_ENABLED=true shows our code"):
            FixedSettings(environment=environment, profiling={"enabled": True})
