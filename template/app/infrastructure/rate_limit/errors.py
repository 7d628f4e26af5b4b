from collections.abc import Mapping

from app.core.errors import ThrottledError, UnavailableError


class TooManyRequestsError(ThrottledError):
    code = "rate_limit.exceeded"
    title = "Too many requests"

    def __init__(self, retry_after_seconds: int, headers: Mapping[str, str]) -> None:
        detail = "Wait before you send more requests of this kind."
        super().__init__(detail, retry_after_seconds=retry_after_seconds)
        self.headers = headers


class UncountedError(UnavailableError):
    code = "rate_limit.unavailable"
    title = "Requests cannot be counted"

    def __init__(self, retry_after_seconds: int) -> None:
        detail = "This is not allowed while requests cannot be counted."
        super().__init__(detail, retry_after_seconds=retry_after_seconds)
