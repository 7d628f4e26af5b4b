from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import DomainError
from app.infrastructure.database.database import Database
from app.infrastructure.security.keys import Keyring

from .crud import Claim, IdempotencyCRUD
from .errors import (
    ClaimLostError,
    IdempotencyKeyReusedError,
    RequestInProgressError,
    ResponseNotKeptError,
)
from .models import OPERATION_LENGTH, IdempotencyKey
from .sealing import KeptResponse, ResponseSeal
from .settings import IdempotencySettings


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    user_id: UUID
    operation: str
    """Which route, by which method."""
    key: str
    content: str
    """Whatever makes two requests the same one."""


Outcome = Claim | KeptResponse | DomainError
"""Run the request, answer it with this, or refuse it with that."""


class Idempotency:
    """Decides which request with a key runs; the others get the answer of that one.

    A claim is committed before the request runs, so that a repeat at the same moment is told so and
    holds no lock meanwhile. The answer is stored by the transaction of the request itself: what it
    did and what it said are committed together, or neither is. If the process dies before, the
    claim runs out; if a slow request comes back after that, it finds the claim gone and is undone.
    """

    def __init__(self, settings: IdempotencySettings, keyring: Keyring) -> None:
        self.settings = settings
        self._keyring = keyring
        self._seal = ResponseSeal(keyring.derive("idempotency"))

    async def begin(self, database: Database, request: KeyedRequest) -> Outcome:
        """Claim the key in a transaction of its own, or find out why that cannot be."""
        now = datetime.now(UTC)
        digest = sha256(f"{request.operation}\n{request.key}".encode()).hexdigest()
        # First without a lock: on SQLite the running request may hold the only one. What a replica
        # does not know yet, the claim decides.
        async with database.reading() as session:
            found = await IdempotencyCRUD(session).find(request.user_id, digest, now)
        if found is not None:
            return self._outcome(found, request)
        values = {
            "user_id": request.user_id,
            "key_digest": digest,
            "operation": request.operation[:OPERATION_LENGTH],
            "fingerprint": self._fingerprints(request)[0],
            "claimed_until": now + timedelta(seconds=self.settings.lease_seconds),
            "created_at": now,
            "expires_at": now + timedelta(seconds=self.settings.ttl_seconds),
        }
        async with database.transaction() as session:
            claimed = await IdempotencyCRUD(session).claim(now, values)
        return claimed if isinstance(claimed, Claim) else self._outcome(claimed, request)

    async def complete(self, session: AsyncSession, claim: Claim, response: KeptResponse) -> None:
        """Store the answer in the transaction of what it answers.

        Raises `ClaimLostError` if a repeat has taken over: then that transaction must not commit.
        """
        is_kept = len(response.body) <= self.settings.max_response_bytes
        ttl = timedelta(seconds=self.settings.ttl_seconds)
        values = {
            "status": response.status,
            "sealed_response": self._seal.close(response, claim.record_id) if is_kept else None,
            "expires_at": datetime.now(UTC) + ttl,
        }
        if not await IdempotencyCRUD(session).complete(claim, values):
            raise ClaimLostError

    async def release(self, database: Database, claim: Claim) -> None:
        """After a rollback: nothing has happened, so a repeat may try again."""
        async with database.transaction() as session:
            await IdempotencyCRUD(session).release(claim)

    def _outcome(self, found: IdempotencyKey, request: KeyedRequest) -> Outcome:
        same = [compare_digest(found.fingerprint, it) for it in self._fingerprints(request)]
        if not any(same):
            return IdempotencyKeyReusedError()
        if found.status is None:
            return RequestInProgressError()
        if found.sealed_response is not None:
            kept = self._seal.open(found.sealed_response, found.id)
            if kept is not None:
                return kept
        return ResponseNotKeptError(found.status)

    def _fingerprints(self, request: KeyedRequest) -> list[str]:
        """The one in use first, then those under former secrets."""
        return self._keyring.digests("idempotency fingerprint", request.content)
