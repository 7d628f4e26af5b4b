from collections.abc import Mapping, Sequence
from typing import ClassVar

from app.core.errors import DomainError
from app.core.openapi import EdgeErrors

from .declarations import declared_by
from .errors import TooManyRequestsError, UncountedError
from .limiter import LIMIT, REMAINING, RESET


class RateLimitErrors(EdgeErrors):
    headers: ClassVar[Mapping[str, str]] = {
        "Retry-After": "Seconds after which a request is let through",
        LIMIT: "Requests in a window, of the limit that is used up first; on every answer",
        REMAINING: "How many of them are left; on every answer",
        RESET: "Seconds until more are left; on every answer",
    }

    def of(self, endpoint: object) -> Sequence[type[DomainError]]:
        declared = declared_by(endpoint)
        if declared.limits == ():
            return ()
        if declared.is_sensitive:
            return (TooManyRequestsError, UncountedError)
        return (TooManyRequestsError,)
