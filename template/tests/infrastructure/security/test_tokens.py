from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from pydantic import SecretStr, ValidationError

from app.infrastructure.security.settings import AuthSettings, SecretSettings
from app.infrastructure.security.tokens import AccessTokens, InvalidTokenError

KEY = "a key for the tests of at least 32 bytes"
USER_ID = uuid4()


@pytest.fixture
def tokens() -> AccessTokens:
    return AccessTokens(SecretSettings(key=SecretStr(KEY)), AuthSettings())


def forge(key: str = KEY, algorithm: str = "HS256", **changes: object) -> str:
    now = datetime.now(UTC)
    claims = {
        "sub": str(USER_ID),
        "jti": "1",
        "iss": "app",
        "aud": "app",
        "iat": now,
        "nbf": now,
        "exp": now + timedelta(minutes=5),
        "type": "access",
    } | changes
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm)


def test_reads_what_it_issued(tokens: AccessTokens) -> None:
    assert tokens.read(tokens.issue(USER_ID).token) == USER_ID


def test_reads_a_token_of_the_expected_shape(tokens: AccessTokens) -> None:
    assert tokens.read(forge()) == USER_ID


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "another key for the tests, 32 bytes long"},
        {"algorithm": "HS512", "key": KEY + KEY},
        {"exp": datetime(2020, 1, 1, tzinfo=UTC)},
        {"nbf": datetime(2999, 1, 1, tzinfo=UTC)},
        {"iss": "other"},
        {"aud": "other"},
        {"type": "refresh"},
        {"sub": "ada"},
        *({claim: None} for claim in ("sub", "jti", "iss", "aud", "iat", "nbf", "exp", "type")),
    ],
)
def test_refuses_everything_else(tokens: AccessTokens, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidTokenError):
        tokens.read(forge(**changes))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é"])
def test_refuses_garbage(tokens: AccessTokens, token: str) -> None:
    with pytest.raises(InvalidTokenError):
        tokens.read(token)


def test_refuses_an_unsigned_token(tokens: AccessTokens) -> None:
    unsigned = jwt.encode({"sub": str(USER_ID)}, "", algorithm="none")

    with pytest.raises(InvalidTokenError):
        tokens.read(unsigned)


class TestSecretSettings:
    def test_makes_a_key_for_each_process(self) -> None:
        assert SecretSettings().key != SecretSettings().key

    def test_deployed_it_must_be_set(self) -> None:
        assert SecretSettings().refusals()[0].startswith("SECRET_KEY must be set; make one with")
        assert SecretSettings(key=SecretStr("x" * 32)).refusals() == []

    def test_refuses_a_short_key(self) -> None:
        with pytest.raises(ValidationError, match="must have at least 32 bytes"):
            SecretSettings(key=SecretStr("x" * 31))
