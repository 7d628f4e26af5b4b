"""Who is behind a request, for what has to know it without knowing how callers prove it."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from starlette.requests import HTTPConnection


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a request is put down to: an account, whichever of its credentials was sent."""

    id: UUID


class PrincipalResolver(ABC):
    """Knows who is calling; an entry of `Feature.extensions`."""

    @abstractmethod
    def is_asked_by(self, dependencies: Collection[object]) -> bool:
        """Whether a route with these dependencies asks who is calling, at whatever depth.

        For others nobody looks at the credentials in a request, and `resolve` must not either.
        """

    @abstractmethod
    async def resolve(self, connection: HTTPConnection) -> Principal | None:
        """Nobody if no credential was sent, and if one is wrong: the route refuses it later.

        The work is done once in a request: what the route asks for afterwards is at hand.
        """
