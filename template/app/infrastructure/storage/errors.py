from app.core.errors import UnavailableError


class StorageUnreachableError(UnavailableError):
    code = "storage.unreachable"
    title = "Storage unreachable"

    def __init__(self, reason: str) -> None:
        # What the library says has addresses and paths in it; a class name has not.
        super().__init__(f"The file storage cannot be used ({reason}).", retry_after_seconds=5)


class ObjectMissingError(Exception):
    """The store has nothing under the key."""
