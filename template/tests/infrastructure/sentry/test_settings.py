import pytest
from pydantic import SecretStr, ValidationError

from app.infrastructure.sentry.settings import SentrySettings


class TestDsn:
    @pytest.mark.parametrize("dsn", ["sentry", "https://o1.ingest.sentry.io/1", "ftp://a@b/c"])
    def test_must_be_one(self, dsn: str) -> None:
        with pytest.raises(ValidationError, match="copy it from the settings") as raised:
            SentrySettings(dsn=SecretStr(dsn))

        assert dsn not in str(raised.value)

    def test_is_not_shown(self) -> None:
        settings = SentrySettings(dsn=SecretStr("https://public@o1.ingest.sentry.io/1"))

        assert "public" not in repr(settings)
