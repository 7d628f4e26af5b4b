"""Who is calling, and what they may do: the one place that decides, whatever the credential."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from starlette.requests import HTTPConnection

from app.core.errors import ForbiddenError
from app.core.extensions import Extensions
from app.core.openapi import OpenAPIExtension
from app.infrastructure.database.session import database_of
from app.infrastructure.security.context import name_actor, printable
from app.infrastructure.security.dependencies import events_of
from app.modules.common.openapi import operations

from .errors import InsufficientScopeError, NotAuthenticatedError
from .models import CurrentUser
from .permissions import Condition, Permission, Policy

# The name under which FastAPI describes the bearer token.
BEARER = "OAuth2PasswordBearer"
# What is recorded of a path; ours are shorter.
_PATH_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Caller:
    """An account, and the credential that vouches for it."""

    user: CurrentUser
    credential: str
    """The `scheme_name` of what authenticated it."""
    scopes: frozenset[str] | None = None
    """What the credential is limited to; absent for a full login."""
    session_id: UUID | None = None
    """The login session it belongs to; a key has none."""
    authenticated_at: datetime | None = None
    """When the person last proved who they are; a key never does."""
    methods: frozenset[str] = frozenset()
    """How they did, in the words of RFC 8176: `pwd`, `otp`, ..."""


class Authenticator(ABC):
    """Recognises one kind of credential; an entry of `Feature.extensions`."""

    scheme_name: ClassVar[str]
    scheme: ClassVar[dict[str, Any] | None] = None
    """Its OpenAPI security scheme; absent for the bearer token, which FastAPI describes."""
    is_ambient: ClassVar[bool] = False
    """Whether browsers send it by themselves. It then counts only if no other one was sent."""
    is_limited: ClassVar[bool] = False
    """Whether it never is a full login, so that only routes that ask for permissions take it."""

    @abstractmethod
    def presented(self, connection: HTTPConnection) -> str | None:
        """The credential in the request, unchecked."""

    @abstractmethod
    async def authenticate(self, connection: HTTPConnection, credential: str) -> Caller:
        """One query. Raises `NotAuthenticatedError` unless the account is active."""


class Authentication:
    def __init__(self, extensions: Extensions, *, recent_seconds: int) -> None:
        self._authenticators = extensions.of(Authenticator)
        self._policies = extensions.of(Policy)
        self._conditions = extensions.of(Condition)
        self.permissions = {permission.name: permission for permission in extensions.of(Permission)}
        self._recent_seconds = recent_seconds

    async def identify(self, connection: HTTPConnection) -> Caller | None:
        """Who is calling; nobody if no credential was sent.

        Raises `NotAuthenticatedError` if one that was sent is wrong, even beside a right one, and
        if two of them belong to different accounts.
        """
        sent = [
            (authenticator, credential)
            for authenticator in self._authenticators
            if (credential := authenticator.presented(connection)) is not None
        ]
        explicit = [item for item in sent if not item[0].is_ambient]
        callers = [await item.authenticate(connection, value) for item, value in explicit or sent]
        if not callers:
            return None
        if len({caller.user.id for caller in callers}) > 1:
            raise NotAuthenticatedError
        # The narrowest: one that is limited is limited beside a full one too.
        caller = min(callers, key=lambda it: (it.scopes is None, len(it.scopes or ())))
        name_actor(caller.user.id)
        return caller

    async def authorize(
        self, connection: HTTPConnection, caller: Caller, required: Collection[str]
    ) -> None:
        """Raises `InsufficientScopeError` unless the credential and the account allow it.

        What asks for no permission by name is for full logins alone. Raises what a `Condition`
        asks for.
        """
        if caller.scopes is not None and not (required and caller.scopes.issuperset(required)):
            await self._record_refusal(connection, caller, required)
            raise InsufficientScopeError(required)
        special = {name for name in required if not self.permissions[name].is_general}
        if not special:
            return
        missing: set[str] = set() if caller.user.is_superuser else special
        try:
            async with database_of(connection).reading() as session:
                for policy in self._policies if missing else ():
                    missing -= set(await policy.granted(session, caller.user.id))
                if missing:
                    raise InsufficientScopeError(required)
                for condition in self._conditions:
                    await condition.check(session, caller.user.id)
        except ForbiddenError:
            await self._record_refusal(connection, caller, missing or special)
            raise

    async def held(
        self, connection: HTTPConnection, user_id: UUID, *, is_superuser: bool
    ) -> frozenset[str]:
        """The names of all permissions that an account has."""
        if is_superuser:
            return frozenset(self.permissions)
        held = {name for name, permission in self.permissions.items() if permission.is_general}
        async with database_of(connection).reading() as session:
            for policy in self._policies:
                held.update(await policy.granted(session, user_id))
        return frozenset(held & self.permissions.keys())

    async def _record_refusal(
        self, connection: HTTPConnection, caller: Caller, missing: Collection[str]
    ) -> None:
        scope = connection.scope
        async with database_of(connection).transaction() as session:
            await events_of(connection).record(
                session,
                "unauthorized_access",
                caller.user.id,
                is_warning=True,
                credential=caller.credential,
                # A WebSocket's handshake is a GET.
                method=scope.get("method", "GET"),
                path=printable(scope["path"], _PATH_LENGTH),
                required=" ".join(sorted(missing)),
            )

    def is_recent(self, caller: Caller) -> bool:
        """Whether the person proved who they are a short while ago."""
        at = caller.authenticated_at
        return at is not None and (datetime.now(UTC) - at).total_seconds() <= self._recent_seconds


class SecuritySchemes(OpenAPIExtension):
    """Documents every kind of credential that a route takes."""

    def extend(self, document: dict[str, Any], extensions: Extensions) -> None:
        schemes = document["components"].setdefault("securitySchemes", {})
        permissions = {
            item.name: item.description for item in extensions.of(Permission) if item.is_scope
        }
        if BEARER in schemes:
            schemes[BEARER]["flows"]["password"]["scopes"] = permissions
        others = [item for item in extensions.of(Authenticator) if item.scheme is not None]
        schemes.update({item.scheme_name: item.scheme for item in others})
        for operation in operations(document):
            accepted = operation.get("security", [])
            if scopes := [entry[BEARER] for entry in accepted if BEARER in entry]:
                accepted += [
                    {item.scheme_name: scopes[0]}
                    for item in others
                    if scopes[0] or not item.is_limited
                ]
