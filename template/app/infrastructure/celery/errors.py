from app.core.errors import UnavailableError


class BrokerUnreachableError(UnavailableError):
    code = "task.broker_unreachable"
    title = "Task broker unreachable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The broker of the background tasks cannot be reached ({reason}).",
            retry_after_seconds=5,
        )


class TaskTimeoutError(TimeoutError):
    """A task took longer than its soft time limit."""


class TaskRetryError(Exception):
    """To be tried again."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(f"to be tried again in {wait_seconds:.0f} s")
        self.wait_seconds = wait_seconds
