from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True, slots=True)
class Permission:
    """The right to do something; a module declares its own and lists them as extensions.

    Its name is also the OAuth2 scope that a token or a key may be limited to.
    """

    name: str
    """What it is about and what may be done: `orders:read`."""
    description: str
    is_general: bool = True
    """Held by every account, for what is their own. Otherwise by superusers, and by whom a `Policy`
    grants it."""
    is_scope: bool = True
    """Whether routes of the API ask for it, so that it is offered to clients."""


class Policy(ABC):
    """Grants permissions that are not general; an entry of `Feature.extensions`."""

    @abstractmethod
    async def granted(self, session: AsyncSession, user_id: UUID) -> Collection[str]:
        """The names of permissions; one that no module declares is ignored."""

    @abstractmethod
    async def rank(self, session: AsyncSession, user_id: UUID) -> int:
        """Who manages accounts may do so with those of a lower rank; 0 is the lowest."""


class Condition(ABC):
    """Asked before a permission that is not general is used; an entry of `Feature.extensions`.

    It holds for superusers too, and whatever the credential.
    """

    @abstractmethod
    async def check(self, session: AsyncSession, user_id: UUID) -> None:
        """Raise the `ForbiddenError` that says what is missing."""


async def rank_of(session: AsyncSession, policies: Iterable[Policy], user_id: UUID) -> int:
    """The highest that a policy gives the account. Superusers stand above every rank."""
    return max([await policy.rank(session, user_id) for policy in policies], default=0)


READ_PROFILE = Permission("profile:read", "Read your own account")
WRITE_PROFILE = Permission("profile:write", "Change your own account")
READ_USERS = Permission("users:read", "Read all accounts", is_general=False)
MANAGE_USERS = Permission("users:manage", "Close, unlock and erase accounts", is_general=False)
