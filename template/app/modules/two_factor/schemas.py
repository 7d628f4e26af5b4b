import re
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, SecretStr

from app.modules.common.schemas import RequestSchema, Schema

# Apps show six digits in two groups. Recovery codes are 24 letters and digits of base32.
_TOTP = "[0-9]{3} ?[0-9]{3}"
_RECOVERY = "([A-Za-z2-7]{4}-?){5}[A-Za-z2-7]{4}"
# A challenge carries what was asked for: scopes of up to 2000 characters.
_BASE64URL = "[A-Za-z0-9_-]{1,4096}"


def _matching(pattern: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(code: SecretStr) -> SecretStr:
        if compiled.fullmatch(code.get_secret_value()) is None:
            raise ValueError("must be a code as it was shown")
        return code

    return AfterValidator(check)


TotpCode = Annotated[
    SecretStr,
    Field(examples=["123456"], json_schema_extra={"pattern": f"^{_TOTP}$"}),
    _matching(_TOTP),
]
"""What the app shows."""
Code = Annotated[
    SecretStr,
    Field(
        examples=["123456", "abcd-efgh-ijkl-mnop-qrst-uvwx"],
        json_schema_extra={"pattern": f"^({_TOTP}|{_RECOVERY})$"},
    ),
    _matching(f"{_TOTP}|{_RECOVERY}"),
]
"""What the app shows, or a recovery code."""
Challenge = Annotated[
    SecretStr,
    Field(
        examples=["q83vEjRWeJA"],
        json_schema_extra={"pattern": f"^{_BASE64URL}$"},
    ),
    _matching(_BASE64URL),
]


class ActivationRequest(RequestSchema):
    code: TotpCode


class CodeRequest(RequestSchema):
    code: Code


class ChallengeAnswer(RequestSchema):
    """The `challenge` of the refusal that asked for a code, and the code."""

    challenge: Challenge
    code: Code


class TwoFactorRead(Schema):
    is_active: bool
    confirmed_at: AwareDatetime | None
    recovery_codes_left: int


class EnrolmentRead(Schema):
    """Shown once; it counts from its activation."""

    secret: str
    """Base32, for apps without a camera."""
    uri: str
    qr_code: str
    """The URI as a picture: an SVG in a `data:` URI."""


class RecoveryCodesRead(Schema):
    """Shown once."""

    recovery_codes: list[str]
