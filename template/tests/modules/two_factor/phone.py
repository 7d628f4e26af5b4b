"""The other side: an authenticator app, and somebody who logs in with it."""

from dataclasses import dataclass
from typing import Any, Self

from httpx2 import AsyncClient, Response
from pyotp import TOTP
from structlog.testing import capture_logs

from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD

STEP = 30


@dataclass
class Clock:
    # The middle of a step, so that a step more or less is what it says.
    now: float = 1_800_000_015.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Phone:
    user: User
    clock: Clock
    secret: str
    recovery_codes: list[str]

    @classmethod
    async def set_up(cls, client: AsyncClient, user: User, clock: Clock) -> "Phone":
        """By a client that is logged in."""
        secret = (await client.post("two-factor/enrol")).json()["secret"]
        code = TOTP(secret).at(clock.now)
        response = await client.post("two-factor/activate", json={"code": code})
        assert response.status_code == 200, response.text
        return cls(user, clock, secret, response.json()["recovery_codes"])

    def code(self, *, ago: int = 0) -> str:
        """What the app shows, or showed so many steps ago."""
        return TOTP(self.secret).at(self.clock.now - ago * STEP)

    def next_code(self) -> str:
        """Wait for the next one."""
        self.clock.now += STEP
        return self.code()

    def wrong_code(self) -> str:
        """One that no present step shows."""
        present = {self.code(ago=ago) for ago in (-1, 0, 1)}
        return next(
            code for code in ("000000", "000001", "000002", "000003") if code not in present
        )


async def first_half(client: AsyncClient, user: User, **form: str) -> str:
    """Log in with the password; the challenge."""
    data = {"username": user.username, "password": PASSWORD, **form}
    response = await client.post("auth/token", data=data)
    assert response.status_code == 401, response.text
    assert response.json()["type"] == "urn:problem:two_factor.required"
    return str(response.json()["challenge"])


async def second_half(client: AsyncClient, challenge: str, code: str) -> Response:
    body = {"challenge": challenge, "code": code}
    return await client.post("auth/token/two-factor", json=body)


class Events:
    """The security events of a block, by name."""

    def __init__(self) -> None:
        self._capture = capture_logs()

    def __enter__(self) -> Self:
        self._lines = self._capture.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._capture.__exit__(None, None, None)

    @property
    def all(self) -> list[dict[str, Any]]:
        return [dict(line) for line in self._lines if line["event"] == "security event"]

    @property
    def names(self) -> list[str]:
        return [line["name"] for line in self.all]

    @property
    def text(self) -> str:
        """Everything that was logged."""
        return str(self._lines)
