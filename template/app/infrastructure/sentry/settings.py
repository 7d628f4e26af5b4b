from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from app.core.settings import SettingsGroup

Share = Annotated[float, Field(ge=0, le=1)]


class SentrySettings(SettingsGroup):
    """Read from `SENTRY_*`, as Sentry's own tools do."""

    dsn: SecretStr | None = None
    """The address of the project that errors are sent to; unset: nowhere."""
    environment: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\s/]+$")] | None = (
        None
    )
    """Unset: that of `ENVIRONMENT`."""
    release: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """What is running, for Sentry alone; unset: `RELEASE`."""
    sample_rate: Share = 1.0
    """The share of errors that is sent. Less is for a service whose errors exceed its quota."""
    traces_sample_rate: Share = 0.0
    """The share of requests and tasks whose timing is sent. Each that is costs a millisecond or so;
    0 costs nothing."""
    close_seconds: Annotated[float, Field(gt=0, le=25)] = 2
    """How long a process that stops waits until what it has to report is sent."""

    @field_validator("dsn")
    @classmethod
    def _is_understood(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        # Half a second, which only who reports errors pays.
        from sentry_sdk.utils import BadDsn, Dsn  # noqa: PLC0415 (see above)

        try:
            Dsn(value.get_secret_value())
        except (BadDsn, ValueError):
            raise ValueError("is no DSN: copy it from the settings of the Sentry project") from None
        return value
