"""What a route says about its own limits. Put these above or below the route's decorator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from .limits import RateLimit

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_ATTRIBUTE = "__declared_limits__"


@dataclass(frozen=True, slots=True)
class Declared:
    limits: tuple[RateLimit, ...] | None = None
    """In place of those from the settings; none at all if empty."""
    is_sensitive: bool = False


def limited(
    *notations: str, when_unavailable: Literal["allow", "refuse"] = "allow"
) -> Callable[[Endpoint], Endpoint]:
    """Limits of this route in place of the default: `@limited("5/minute", "50/day")`.

    All of them hold at once. `when_unavailable="refuse"` is for what must not be tried without a
    limit: no `LimitSource` can change it, and the route answers 503 while requests cannot be
    counted.
    """
    limits = tuple(RateLimit.parse(notation) for notation in notations)
    if not limits:
        raise ValueError("name at least one limit, or use `unlimited`")
    return _declaring(Declared(limits, is_sensitive=when_unavailable == "refuse"))


def unlimited(endpoint: Endpoint) -> Endpoint:
    """The route is never limited, and counts towards nothing."""
    return _declaring(Declared(()))(endpoint)


def declared_by(endpoint: object) -> Declared:
    declared = getattr(endpoint, _ATTRIBUTE, None)
    return declared if isinstance(declared, Declared) else Declared()


def _declaring(declared: Declared) -> Callable[[Endpoint], Endpoint]:
    def declare(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _ATTRIBUTE, declared)
        return endpoint

    return declare
