from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder


class Exposition(NamedTuple):
    content: bytes
    media_type: str


def exposed(registry: CollectorRegistry, accept: str) -> Exposition:
    """All numbers as text, in the format that the `Accept` header asks for."""
    encode, media_type = choose_encoder(accept)
    return Exposition(encode(registry), media_type)
