from collections.abc import Iterator, Mapping
from typing import Any

from .problems import MEDIA_TYPE

_METHODS = ("get", "put", "post", "delete", "patch")


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every operation of an OpenAPI document."""
    for path in document["paths"].values():
        for method in _METHODS:
            if method in path:
                yield path[method]


def document_problems(
    operation: dict[str, Any],
    problems: Mapping[int | str, dict[str, Any]],
    *,
    headers: Mapping[str, Any] | None = None,
) -> None:
    """Add what `raises` has made to the responses of an operation, and headers to each of these."""
    responses = operation["responses"]
    for status, entry in problems.items():
        known = responses.setdefault(str(int(status)), {"description": ""})
        titles = [known["description"], entry["description"]]
        known["description"] = " · ".join(filter(None, titles))
        body = known.setdefault("content", {}).setdefault(MEDIA_TYPE, {})
        added = entry["content"][MEDIA_TYPE]
        body["schema"] = added["schema"]
        body["examples"] = body.get("examples", {}) | added["examples"]
        if headers:
            known["headers"] = known.get("headers", {}) | headers
    operation["responses"] = dict(sorted(responses.items()))
