"""Names of files, which are for people alone: nothing is ever opened by them."""

import re
import unicodedata
from mimetypes import MimeTypes
from pathlib import PurePosixPath
from urllib.parse import quote

from .models import NAME_LENGTH

# Python's own list, on every machine the same.
_TYPES = MimeTypes(filenames=())
# What Windows does not take in a name.
_FORBIDDEN = frozenset('<>:"|?*')


def display_name(sent: str | None, content_type: str) -> str:
    """The last part of a path, without what is invisible, with an ending that fits the content.

    A text named `page.html` becomes `page.html.txt`: opened from the disk it would run otherwise.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", sent or ""))[-1]
    # Not printable are control characters, and those that turn the direction of what follows.
    kept = "".join(it for it in last if it.isprintable() and it not in _FORBIDDEN)
    name = kept.strip(" .")[:NAME_LENGTH].rstrip(" .") or "file"
    endings = _TYPES.guess_all_extensions(content_type, strict=False)[:3]
    if not endings or PurePosixPath(name).suffix.lower() in endings:
        return name
    return name[: NAME_LENGTH - len(endings[0])] + endings[0]


def content_disposition(name: str, *, is_inline: bool) -> str:
    """RFC 6266: in full for today's browsers, in ASCII for the others."""
    ascii_name = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    kind = "inline" if is_inline else "attachment"
    return f"{kind}; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"
