import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from inspect import BoundArguments, Signature
from typing import Any, ParamSpec, TypeVar, cast
from uuid import UUID

from .cache import Cache
from .entry import Audience, CacheEntry

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")
Function = Callable[Arguments, Awaitable[Value]]


def cached(
    entry: CacheEntry[Value],
    *,
    by: Sequence[str],
    audience: Audience | str,
    tags: Sequence[str] = (),
) -> Callable[[Function[Arguments, Value]], Function[Arguments, Value]]:
    """Cache what an async function or method returns.

    `by` names the parameters that make the key, and no other does. `audience` is `EVERYBODY`, or
    names the parameter that says whose answer it is. The function has a parameter `cache`, or its
    `self` has an attribute of this name. In `tags`, `{name}` stands for the argument.
    """

    def decorate(function: Function[Arguments, Value]) -> Function[Arguments, Value]:
        signature = inspect.signature(function)
        named = [*by, *([audience] if isinstance(audience, str) else [])]
        _check(signature, named, function)

        @wraps(function)
        async def wrapper(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Value:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            given = bound.arguments
            whom: UUID | Audience = given[audience] if isinstance(audience, str) else audience
            return await _cache_of(bound).get_or_set(
                entry.key(*(given[name] for name in by), audience=whom),
                lambda: function(*args, **kwargs),
                tags=[tag.format_map(given) for tag in tags],
            )

        return wrapper

    return decorate


def _check(signature: Signature, named: Sequence[str], function: Callable[..., Any]) -> None:
    """A misspelt name ends the start-up, not a request."""
    if unknown := set(named) - signature.parameters.keys():
        raise TypeError(f"{function.__qualname__} has no parameter {unknown.pop()!r}")
    if not {"cache", "self"} & signature.parameters.keys():
        raise TypeError(f"{function.__qualname__} needs a parameter 'cache'")


def _cache_of(bound: BoundArguments) -> Cache:
    if "cache" in bound.arguments:
        return cast("Cache", bound.arguments["cache"])
    return cast("Cache", bound.arguments["self"].cache)
