from typing import Annotated

from pydantic import Field

from app.core.settings import SettingsGroup


class AuditSettings(SettingsGroup):
    """Read from `AUDIT_*`."""

    # Beyond a hundred years the computed day may lie before all calendars.
    retention_days: Annotated[int, Field(ge=0, le=36_500)] = 365
    """How long events are kept; 0: for ever. A year: intrusions are found after months (PCI DSS
    10.5.1 asks for twelve), and addresses are personal data, so not without end."""
