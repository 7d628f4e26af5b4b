from collections.abc import Iterable
from pathlib import Path

from .stores import Store, StoreError


class MountedFiles(Store):
    """One file for each secret, as container platforms mount them."""

    def __init__(self, folder: Path) -> None:
        self.place = f"SECRETS_DIR={folder}"
        self._folder = folder

    def names(self) -> Iterable[str]:
        try:
            # Kubernetes keeps its versions in hidden folders beside the links to their files.
            return [
                path.name
                for path in self._folder.iterdir()
                if not path.name.startswith(".") and not path.is_dir()
            ]
        except OSError as exc:
            raise StoreError(f"the folder cannot be read: {exc.strerror}.") from None

    def value(self, name: str) -> str:
        try:
            # Editors and `echo` end a file with a line break that is not part of the secret.
            return (self._folder / name).read_text("utf-8").rstrip("\r\n")
        except OSError as exc:
            raise StoreError(f"the file {name} cannot be read: {exc.strerror}.") from None
        except UnicodeDecodeError:
            raise StoreError(f"the file {name} is not UTF-8 text.") from None
