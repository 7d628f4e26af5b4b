from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.infrastructure.security.events import SecurityEvents
from app.infrastructure.security.keys import Keyring
from app.modules.common.listing import Rows
from app.modules.common.pagination import CursorQuery, PageQuery
from app.modules.throttle.service import Limit, Throttle
from app.modules.user.errors import NotAuthenticatedError
from app.modules.user.service import lock_user

from .crud import ApiKeyCRUD, UsageCRUD
from .errors import (
    ApiKeyNotFoundError,
    ApiKeyOverError,
    ExpiryOutOfRangeError,
    ScopeNotHeldError,
    TooManyApiKeysError,
)
from .keys import key_digests, new_key, visible_part
from .models import ApiKey
from .schemas import ApiKeyCreate, ApiKeyGenerated, ApiKeyRotate, ApiKeyUpdate, UsageDayRead
from .settings import ApiKeySettings


class ApiKeyReader:
    """The keys of one user, and what they were used for."""

    def __init__(self, keys: ApiKeyCRUD, user_id: UUID) -> None:
        self.keys = keys
        self.usage = UsageCRUD(keys.session)
        self.user_id = user_id

    async def get(self, key_id: UUID) -> ApiKey:
        key = await self.keys.get_owned(self.user_id, key_id)
        if key is None:
            raise ApiKeyNotFoundError(key_id)
        return key

    async def page(self, query: PageQuery) -> tuple[Rows, int]:
        return await self.keys.page_of(
            self.user_id, limit=query.items_per_page, offset=query.offset
        )

    async def scroll_usage(self, key_id: UUID, query: CursorQuery) -> tuple[Rows, UUID | None]:
        await self.get(key_id)
        return await self.usage.scroll_of(key_id, last=query.after, limit=query.limit)

    async def usage_by_day(self, key_id: UUID, days: int) -> Sequence[UsageDayRead]:
        await self.get(key_id)
        since = datetime.now(UTC).date() - timedelta(days=days - 1)
        return [
            UsageDayRead(
                day=it.day,
                requests=it.requests,
                client_errors=it.client_errors,
                server_errors=it.server_errors,
                average_ms=round(it.duration_ms / it.requests, 2),
            )
            for it in await self.usage.days_of(key_id, since)
        ]


class ApiKeyRevocation(ApiKeyReader):
    def __init__(self, keys: ApiKeyCRUD, user_id: UUID, events: SecurityEvents) -> None:
        super().__init__(keys, user_id)
        self.events = events

    async def revoke(self, key_id: UUID) -> None:
        """Raises `ApiKeyNotFoundError` for one that was revoked before, too."""
        if not await self._revoke(only=key_id):
            raise ApiKeyNotFoundError(key_id)

    async def revoke_all(self) -> None:
        await self._revoke()

    async def _revoke(self, only: UUID | None = None) -> bool:
        now, session = datetime.now(UTC), self.keys.session
        revoked = await self.keys.revoke(self.user_id, now=now, only=only)
        for key_id in revoked:
            await self.events.record(session, "api_key_revoked", self.user_id, key_id=str(key_id))
        return bool(revoked)


@dataclass(frozen=True, slots=True)
class KeyRules:
    """How keys are made, how many, and how long they live."""

    keyring: Keyring
    throttle: Throttle
    settings: ApiKeySettings

    async def take(self, user_id: UUID) -> None:
        """Count one more. Raises `TooManyAttemptsError`.

        Revoked keys stay in the table, so the limit of live ones does not bound it.
        """
        most = self.settings.generations_per_hour
        limit = Limit(name="api-key", most=most, window_seconds=3600)
        await self.throttle.take(limit, str(user_id), user_id)

    def key(self) -> tuple[str, str]:
        """A new one, and what to store of it."""
        key = new_key(self.settings.prefix)
        return key, key_digests(self.keyring, key)[0]

    def expiry(self, asked: datetime | None) -> datetime | None:
        """Raises `ExpiryOutOfRangeError`."""
        now = datetime.now(UTC)
        latest = self._latest(now)
        if asked is None:
            return latest
        if asked <= now or (latest is not None and asked > latest):
            raise ExpiryOutOfRangeError(self.settings.longest_ttl_days)
        return asked

    def renewed(self, lifetime: timedelta | None, now: datetime) -> datetime | None:
        """The end of a key that lives as long as another one, within what is allowed today."""
        ends = (self._latest(now), None if lifetime is None else now + lifetime)
        return min((end for end in ends if end is not None), default=None)

    def _latest(self, now: datetime) -> datetime | None:
        days = self.settings.longest_ttl_days
        return now + timedelta(days=days) if days else None


class ApiKeyService(ApiKeyRevocation):
    """Nothing that ends a login ends a key: programs do not log in again.

    A key ends with its account, by its own expiry, or when it is revoked.
    """

    def __init__(
        self, keys: ApiKeyCRUD, user_id: UUID, events: SecurityEvents, rules: KeyRules
    ) -> None:
        super().__init__(keys, user_id, events)
        self.rules = rules

    async def generate(self, data: ApiKeyCreate, held: Collection[str]) -> ApiKeyGenerated:
        """`held` are the names of the user's permissions.

        Raises `ScopeNotHeldError`, `ExpiryOutOfRangeError`, `TooManyApiKeysError` and
        `TooManyAttemptsError`.
        """
        await self.rules.take(self.user_id)
        if not set(data.scopes) <= set(held):
            raise ScopeNotHeldError
        expires_at = self.rules.expiry(data.expires_at)
        # The account itself is what two requests at the same moment have to take turns at.
        if not await lock_user(self.keys.session, self.user_id):
            raise NotAuthenticatedError
        most = self.rules.settings.keys_per_user
        if await self.keys.count_live(self.user_id, datetime.now(UTC)) >= most:
            raise TooManyApiKeysError(most)
        generated = await self._store(
            name=data.name, scopes=" ".join(sorted(set(data.scopes))), expires_at=expires_at
        )
        await self.events.record(
            self.keys.session,
            "api_key_generated",
            self.user_id,
            key_id=str(generated.id),
            scopes=" ".join(generated.scopes),
        )
        return generated

    async def update(self, key_id: UUID, data: ApiKeyUpdate) -> ApiKey:
        return await self.keys.update(await self.get(key_id), data.model_dump())

    async def rotate(self, key_id: UUID, data: ApiKeyRotate) -> ApiKeyGenerated:
        """The new key may do the same and lives as long as the old one was to live.

        Raises `ApiKeyNotFoundError`, `ApiKeyOverError` and `TooManyAttemptsError`.
        """
        await self.rules.take(self.user_id)
        old, now = await self.get(key_id), datetime.now(UTC)
        lifetime = None if old.expires_at is None else old.expires_at - old.created_at
        generated = await self._store(
            name=old.name,
            scopes=old.scopes,
            expires_at=self.rules.renewed(lifetime, now),
        )
        ends_at = now + timedelta(seconds=data.overlap_seconds)
        if old.expires_at is not None:
            ends_at = min(ends_at, old.expires_at)
        if not await self.keys.replace(key_id, by=generated.id, expires_at=ends_at, now=now):
            raise ApiKeyOverError
        await self.events.record(
            self.keys.session,
            "api_key_rotated",
            self.user_id,
            key_id=str(key_id),
            new_key_id=str(generated.id),
            overlap_seconds=data.overlap_seconds,
        )
        return generated

    async def _store(
        self, *, name: str, scopes: str, expires_at: datetime | None
    ) -> ApiKeyGenerated:
        key, key_hash = self.rules.key()
        record = await self.keys.add(
            ApiKey(
                user_id=self.user_id,
                name=name,
                prefix=visible_part(key),
                key_hash=key_hash,
                scopes=scopes,
                expires_at=expires_at,
            )
        )
        return ApiKeyGenerated.of(record, key)
