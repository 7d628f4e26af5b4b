from collections.abc import Iterator
from typing import Any

_METHODS = ("get", "put", "post", "delete", "patch")


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every operation of an OpenAPI document."""
    for path in document["paths"].values():
        for method in _METHODS:
            if method in path:
                yield path[method]
