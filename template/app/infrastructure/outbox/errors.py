from app.core.errors import UnavailableError


class OutboxStuckError(UnavailableError):
    code = "outbox.stuck"
    title = "Outbox stuck"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"A background task waits in the outbox for {seconds:.0f} seconds. Is the broker "
            "running? `python -m app.cli outbox status` says more.",
            retry_after_seconds=5,
        )
