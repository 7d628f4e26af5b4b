from typing import Protocol, runtime_checkable


@runtime_checkable
class CurrentTrace(Protocol):
    """Knows which trace the current code is part of; an entry of `Feature.extensions`."""

    def trace_id(self) -> str | None:
        """32 hexadecimal digits; None outside of a trace and in one that is not kept."""
        ...
