from app.core.errors import MalformedError, UnavailableError


class UnknownProfileError(MalformedError):
    code = "profiling.unknown"
    title = "Unknown kind of profile"

    def __init__(self, known: list[str]) -> None:
        super().__init__(f"X-Profile must be one of: {', '.join(known)}.")


class ProfilerMissingError(UnavailableError):
    code = "profiling.missing"
    title = "No profiler installed"

    def __init__(self) -> None:
        super().__init__(
            "pyinstrument is not installed; it is in the dev group: run `uv sync`.",
            retry_after_seconds=60,
        )
