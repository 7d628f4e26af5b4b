from collections.abc import Sequence
from functools import lru_cache
from hashlib import file_digest
from os import PathLike, stat_result
from pathlib import Path

from starlette.datastructures import Headers, QueryParams
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

VERSION = "v"

# A year, the most that RFC 9111 suggests; what changes gets another address.
_FOR_GOOD = "public, max-age=31536000, immutable"
# Kept, but asked about each time.
_CHECKED = "public, no-cache"


class Assets(StaticFiles):
    """The files of several folders, of which the first that has a name counts.

    A browser keeps for good what it asks for by its version, the hash of the content. While a new
    release starts, the old one may be asked for a version it does not have: it answers with its own
    file, and no cache keeps that.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        super().__init__()
        self.all_directories = list(folders)

    def version(self, name: str) -> str:
        path, found = self.lookup_path(name)
        if found is None:
            raise LookupError(f"There is no static file {name}.")
        return _version(path, found.st_mtime_ns, found.st_size)

    def file_response(
        self,
        full_path: str | PathLike[str],
        stat_result: stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        version = _version(str(full_path), stat_result.st_mtime_ns, stat_result.st_size)
        is_current = QueryParams(scope["query_string"]).get(VERSION) == version
        headers = {
            "cache-control": _FOR_GOOD if is_current else _CHECKED,
            # Starlette's is made of time and size, and builds may set all times to one.
            "etag": f'"{version}"',
        }
        response = FileResponse(
            full_path, status_code=status_code, headers=headers, stat_result=stat_result
        )
        if self.is_not_modified(response.headers, Headers(scope=scope)):
            return NotModifiedResponse(response.headers)
        return response


# While somebody edits a file, it has a new version at once.
@lru_cache(maxsize=1024)
def _version(path: str, _modified_at_ns: int, _size: int) -> str:
    with Path(path).open("rb") as file:
        return file_digest(file, "sha256").hexdigest()[:16]
