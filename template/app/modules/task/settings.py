from typing import Annotated

from pydantic import Field

from app.core.settings import SettingsGroup


class TaskSettings(SettingsGroup):
    """Read from `TASK_*`."""

    retention_days: Annotated[int, Field(ge=1, le=3_650)] = 7
    """How long after its last change a task and its result can be read. A week: who was away sees
    it, and results are personal data."""
