from collections.abc import Collection

from starlette.requests import HTTPConnection

from app.core.errors import DomainError
from app.core.principal import Principal, PrincipalResolver

from .dependencies import identify_caller, require_caller


class CallerPrincipals(PrincipalResolver):
    """The account behind a request, whichever credential vouches for it."""

    def is_asked_by(self, dependencies: Collection[object]) -> bool:
        return identify_caller in dependencies or require_caller in dependencies

    async def resolve(self, connection: HTTPConnection) -> Principal | None:
        try:
            caller = await identify_caller(connection)
        except DomainError:
            # It is kept for the route, which refuses the request with it.
            return None
        return None if caller is None else Principal(caller.user.id)
