from app.core.errors import ThrottledError


class TooManyAttemptsError(ThrottledError):
    code = "throttle.too_many_attempts"
    title = "Too many attempts"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("Wait before you try again.", retry_after_seconds=retry_after_seconds)
