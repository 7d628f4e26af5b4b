import re

_ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def is_match(if_none_match: list[str], etag: str | None) -> bool:
    """Whether one of the listed tags is the answer's, compared weakly (RFC 9110, 13.1.2)."""
    given = ", ".join(if_none_match).strip()
    if not given or etag is None:
        return False
    return given == "*" or etag.removeprefix("W/") in _ENTITY_TAG.findall(given)
