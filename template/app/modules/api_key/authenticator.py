from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple, cast
from uuid import UUID

from sqlalchemy import bindparam
from starlette.requests import HTTPConnection

from app.infrastructure.database.session import database_of
from app.infrastructure.security.context import current_origin
from app.infrastructure.security.dependencies import events_of
from app.infrastructure.security.keys import Keyring
from app.modules.user.authentication import Authenticator, Caller
from app.modules.user.errors import NotAuthenticatedError
from app.modules.user.lookup import find_caller
from app.modules.user.models import ACTIVE_USER, CurrentUser, User

from .keys import is_well_formed, key_digests
from .models import ApiKey, KeyTouch
from .usage import UsageLog

HEADER = "X-API-Key"
# A program that keeps using a key after its end tries it every few seconds.
_WARNING_INTERVAL = timedelta(minutes=1)

_keys, _users = ApiKey.__table__.c, User.__table__.c


class _Key(NamedTuple):
    user: CurrentUser
    id: UUID
    key_hash: str
    scopes: str
    expires_at: datetime | None
    revoked_at: datetime | None
    refused_at: datetime | None

    def end(self, now: datetime) -> str | None:
        """Why it counts no more, if it does not."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else None


# Built once: it runs on every request with a key. Expired and revoked ones are found too, so that
# their use is noticed.
_KEY = (
    ACTIVE_USER.add_columns(*(_keys[name] for name in _Key._fields[1:]))
    .join(ApiKey.__table__, _keys.user_id == _users.id)
    .where(_keys.key_hash.in_(bindparam("digests", expanding=True)))
)


class ApiKeyAuthenticator(Authenticator):
    scheme_name: ClassVar[str] = "ApiKey"
    scheme: ClassVar[dict[str, Any] | None] = {"type": "apiKey", "in": "header", "name": HEADER}
    is_limited: ClassVar[bool] = True

    def presented(self, connection: HTTPConnection) -> str | None:
        # Two of them are one that is wrong.
        values = connection.headers.getlist(HEADER)
        return ", ".join(values) if values else None

    async def authenticate(self, connection: HTTPConnection, credential: str) -> Caller:
        if not is_well_formed(credential):
            raise NotAuthenticatedError
        digests = key_digests(cast("Keyring", connection.state.keyring), credential)
        key = await find_caller(connection, digests[0], _Key, _KEY, {"digests": digests})
        if key is None:
            raise NotAuthenticatedError
        user, now = key.user, datetime.now(UTC)
        if (end := key.end(now)) is not None:
            await self._report(connection, user.id, key, end, now)
            raise NotAuthenticatedError
        hashed = None if key.key_hash == digests[0] else digests[0]
        usage = cast("UsageLog", connection.state.api_key_usage)
        usage.touch(key.id, KeyTouch(now, current_origin().address, hashed))
        # `UsageMiddleware` notes the answer to it.
        connection.state.api_key_id = key.id
        return Caller(user=user, credential=self.scheme_name, scopes=frozenset(key.scopes.split()))

    async def _report(
        self, connection: HTTPConnection, user_id: UUID, key: _Key, end: str, now: datetime
    ) -> None:
        """In a transaction of its own: the refusal that follows must not undo it."""
        before = now - _WARNING_INTERVAL
        if key.refused_at is not None and key.refused_at > before:
            return
        async with database_of(connection).transaction() as session:
            from .crud import ApiKeyCRUD  # noqa: PLC0415 (late)

            if await ApiKeyCRUD(session).note_refusal(key.id, now=now, unless_after=before):
                await events_of(connection).record(
                    session,
                    "api_key_refused",
                    user_id,
                    is_warning=True,
                    key_id=str(key.id),
                    reason=end,
                )
