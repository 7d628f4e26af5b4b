from abc import ABC, abstractmethod
from dataclasses import dataclass
from uuid import UUID

from app.infrastructure.storage.storage import Storage


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A file that is in the storage and belongs to nobody yet."""

    id: UUID
    key: str
    name: str
    description: str | None
    content_type: str
    size: int
    sha256: str


class FileInspector(ABC):
    """Looks into a file before it counts as uploaded: for viruses, for what a licence forbids.

    An entry of `Feature.extensions`. All of them are asked, one after the other, and the client
    waits for it.
    """

    @abstractmethod
    async def inspect(self, file: ReceivedFile, storage: Storage) -> None:
        """Raise `FileRefusedError` to have it removed, or an `UnavailableError` if nobody can tell.

        `storage.read(file.key, 0, file.size)` has the content.
        """
