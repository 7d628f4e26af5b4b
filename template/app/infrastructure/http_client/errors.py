from app.core.errors import (
    BrokenUpstreamError,
    DomainError,
    InvalidError,
    SlowUpstreamError,
    UnavailableError,
)


class UpstreamError(DomainError):
    """Another service let us down. What it said is in none of them: it may hold its secrets."""

    status: int | None = None
    """That it answered with, if it did."""
    is_outage: bool = False
    """Whether it looks as if it were down; several in a row open the circuit."""
    is_temporary: bool = False
    """Whether the same request may succeed in a moment."""
    wait_seconds: float = 0
    """It asked for this much patience."""


class UpstreamFailedError(UpstreamError, BrokenUpstreamError):
    """It cannot be reached, it failed, it refused, or its answer is not what was agreed."""

    code = "upstream.failed"
    title = "Upstream failed"

    def __init__(
        self,
        *,
        status: int | None = None,
        is_outage: bool = False,
        is_temporary: bool = False,
        wait_seconds: float = 0,
    ) -> None:
        super().__init__("A service that this one needs gave no answer that can be used.")
        self.status = status
        self.is_outage = is_outage
        self.is_temporary = is_temporary
        self.wait_seconds = wait_seconds


class UpstreamTimeoutError(UpstreamError, SlowUpstreamError):
    code = "upstream.timeout"
    title = "Upstream timeout"
    is_outage = True
    is_temporary = True

    def __init__(self) -> None:
        super().__init__("A service that this one needs did not answer in time.")


class UpstreamUnavailableError(UpstreamError, UnavailableError):
    """It has asked for patience, or it is not asked at all for now."""

    code = "upstream.unavailable"
    title = "Upstream unavailable"

    def __init__(self, *, retry_after_seconds: int, status: int | None = None) -> None:
        super().__init__(
            "A service that this one needs is not available at the moment.",
            retry_after_seconds=retry_after_seconds,
        )
        self.status = status
        self.is_temporary = status is not None
        self.wait_seconds = retry_after_seconds


UPSTREAM_ERRORS = (UpstreamFailedError, UpstreamTimeoutError, UpstreamUnavailableError)
"""For `raises(*UPSTREAM_ERRORS)` of a route that asks another service."""


class AddressRefusedError(InvalidError):
    """One error for all reasons: which it was would tell what is in our network."""

    code = "address.refused"
    title = "Address refused"

    def __init__(self) -> None:
        super().__init__(
            "This address cannot be called: it must be an http or https address of a public host, "
            "on a usual port and without a name and password."
        )
