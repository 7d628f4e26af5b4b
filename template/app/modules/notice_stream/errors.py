from app.core.errors import ThrottledError, UnavailableError


class TooManyStreamsError(ThrottledError):
    code = "notice_stream.too_many"
    title = "Too many streams"

    def __init__(self) -> None:
        # No telling when one ends; a minute is when a page that was closed is surely noticed.
        super().__init__("Close a stream of yours first.", retry_after_seconds=60)


class StreamsExhaustedError(UnavailableError):
    code = "notice_stream.exhausted"
    title = "No stream left"

    def __init__(self) -> None:
        super().__init__("Try again: another process may have room.", retry_after_seconds=5)
