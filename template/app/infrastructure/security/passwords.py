import os
from functools import cache

import anyio
from anyio.to_thread import run_sync
from pwdlib import PasswordHash
from pydantic import SecretStr


class PasswordHasher:
    """Argon2id with the library's recommended costs, unless given others.

    A hash takes tens of milliseconds of processor time and 64 MiB, so it runs on a thread, and no
    more run at once than there are processors.
    """

    def __init__(self, hasher: PasswordHash | None = None) -> None:
        self._hasher = hasher or _recommended()
        self._limiter = anyio.CapacityLimiter(os.cpu_count() or 1)

    async def hash(self, password: SecretStr) -> str:
        return await run_sync(self._hasher.hash, password.get_secret_value(), limiter=self._limiter)

    async def verify(self, password: SecretStr, hashed: str | None) -> tuple[bool, str | None]:
        """Whether it is the password, and a better hash to store if the costs have since risen.

        With no hash to compare with, it takes as long and says no, so that the time of an answer
        does not tell which accounts exist.
        """
        # For every account: whoever is the first to ask waits twice as long, known or not.
        nobody = await run_sync(_hash_of_nobody, self._hasher, limiter=self._limiter)
        is_right, better = await run_sync(
            self._hasher.verify_and_update,
            password.get_secret_value(),
            hashed or nobody,
            limiter=self._limiter,
        )
        return is_right and hashed is not None, better


@cache
def _recommended() -> PasswordHash:
    return PasswordHash.recommended()


@cache
def _hash_of_nobody(hasher: PasswordHash) -> str:
    """Made once in a process: it costs as much as every other."""
    return hasher.hash("the password of no account")
