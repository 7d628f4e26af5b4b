import pytest
from pydantic import ValidationError

from app.infrastructure.logging.settings import LogFormat, LogLevel, LogSettings


class TestLogSettings:
    @pytest.mark.parametrize("written", ["warning", "WARNING", "Warning"])
    def test_reads_a_level_in_any_case(self, written: str) -> None:
        assert LogSettings.model_validate({"level": written}).level is LogLevel.WARNING

    @pytest.mark.parametrize("written", ["verbose", "VERBOSE", "", 10, None])
    def test_refuses_other_levels(self, written: object) -> None:
        with pytest.raises(ValidationError):
            LogSettings.model_validate({"level": written})

    def test_reads_a_format(self) -> None:
        assert LogSettings.model_validate({"format": "json"}).format is LogFormat.JSON
        assert LogSettings().format is None
