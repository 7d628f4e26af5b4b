from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from app.core.late import Late

if TYPE_CHECKING:
    from redis.asyncio import Redis


class LateClient:
    """Becomes a client with the first command: its library takes a while to import."""

    def __init__(self, make: "Callable[[], Redis]") -> None:
        self._late = Late(make)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever the client has)
        return getattr(self._late(), name)

    @property
    def as_client(self) -> "Redis":
        return cast("Redis", self)

    def load(self) -> None:
        self._late()

    async def aclose(self) -> None:
        if self._late.made is not None:
            await self._late.made.aclose()
