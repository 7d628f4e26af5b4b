"""What makes and reads codes, secrets and challenges: the keys and the clock, one for a process."""

import json
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest
from secrets import token_bytes
from time import time
from uuid import UUID, uuid4

from pyotp import TOTP

from app.infrastructure.security.keys import Keyring
from app.infrastructure.security.sealing import Seal
from app.infrastructure.security.settings import SecretSettings
from app.modules.auth.steps import Login

from .settings import TwoFactorSettings

# RFC 4226 section 4 recommends 160 bits; as many as SHA-1, which is all that most apps can do. Its
# weakness, collisions, does not matter to a code.
_SECRET_BYTES = 20
# Clocks of phones are slow or fast: one step more and one less, as RFC 6238 section 5.2 allows.
_DRIFT = (-1, 0, 1)
# 120 bits: from 112 on nobody guesses one, and a plain hash will do.
_RECOVERY_BYTES, _RECOVERY_GROUP = 15, 4
# Somebody finds the phone and types six digits.
CHALLENGE_SECONDS = 300


class Cipher:
    """Seals texts as texts."""

    def __init__(self, keys: list[bytes]) -> None:
        self._seal = Seal(keys)

    def encrypt(self, text: str, context: bytes) -> str:
        sealed = self._seal.close(text.encode(), context)
        return urlsafe_b64encode(sealed).decode().rstrip("=")

    def decrypt(self, sealed: str, context: bytes) -> tuple[str, bool] | None:
        """The text, and whether the key in use has encrypted it; nothing if no key did."""
        try:
            raw = urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        except ValueError:
            return None
        opened = self._seal.open(raw, context)
        return opened and (opened.content.decode(), opened.is_current)


@dataclass(frozen=True, slots=True)
class Challenge:
    """The first half of a login: who, how, and what for."""

    id: UUID
    login: Login
    issued_at: float


class SecondFactor:
    def __init__(self, settings: TwoFactorSettings, secret: SecretSettings, *, title: str) -> None:
        keyring = Keyring(secret)
        self.settings = settings
        self.issuer = settings.issuer or title
        self.secrets = Cipher(keyring.derive("two factor"))
        self.clock: Callable[[], float] = time
        """Seconds since 1970."""
        self._challenges = Cipher(keyring.derive("two factor challenge"))

    def new_secret(self) -> str:
        return b32encode(token_bytes(_SECRET_BYTES)).decode()

    def uri(self, secret: str, account: str) -> str:
        """For apps: https://github.com/google/google-authenticator/wiki/Key-Uri-Format."""
        return TOTP(secret).provisioning_uri(name=account, issuer_name=self.issuer)

    def step_of(self, secret: str, code: str) -> int | None:
        """The time step that shows this code, if it is a present one."""
        totp, now = TOTP(secret), self.clock()
        steps = [totp.timecode(now) + drift for drift in _DRIFT]
        found = [step for step in steps if compare_digest(totp.generate_otp(step), code)]
        return max(found, default=None)

    def issue_challenge(self, login: Login) -> str:
        claims = {
            "id": str(uuid4()),
            "user_id": str(login.user_id),
            "methods": sorted(login.methods),
            "grant": login.grant,
            "scopes": None if login.scopes is None else sorted(login.scopes),
            "issued_at": self.clock(),
        }
        return self._challenges.encrypt(json.dumps(claims), b"")

    def read_challenge(self, token: str) -> Challenge | None:
        """Nothing for one that is not ours or has expired."""
        found = self._challenges.decrypt(token, b"")
        if found is None:
            return None
        claims = json.loads(found[0])
        if self.clock() >= claims["issued_at"] + CHALLENGE_SECONDS:
            return None
        login = Login(
            user_id=UUID(claims["user_id"]),
            methods=frozenset(claims["methods"]),
            grant=claims["grant"],
            scopes=claims["scopes"],
        )
        return Challenge(UUID(claims["id"]), login, claims["issued_at"])


def qr_code(uri: str) -> str:
    """A picture as a `data:` URI; on white, for pages that are dark."""
    # Only who enrols needs it.
    import segno  # noqa: PLC0415 (see above)

    return segno.make_qr(uri).svg_data_uri(scale=4, light="white")


def new_recovery_code() -> str:
    text = b32encode(token_bytes(_RECOVERY_BYTES)).decode().lower()
    groups = range(0, len(text), _RECOVERY_GROUP)
    return "-".join(text[start : start + _RECOVERY_GROUP] for start in groups)


def canonical_code(code: str) -> str:
    """However it was typed: without blanks and dashes, in lower case."""
    return code.replace(" ", "").replace("-", "").lower()
