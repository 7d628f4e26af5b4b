from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from pydantic import SecretStr, ValidationError

from app.infrastructure.security.errors import InvalidTokenError
from app.infrastructure.security.keys import Keyring
from app.infrastructure.security.settings import AuthSettings, SecretSettings
from app.infrastructure.security.tokens import AccessTokens

KEY = "a key for the tests of at least 32 bytes"
FORMER = "the key before that of 32 bytes or more"
USER_ID, SESSION_ID = uuid4(), uuid4()


def tokens_with(key: str, *former: str, algorithm: str = "HS256") -> AccessTokens:
    secret = SecretSettings(
        key=SecretStr(key), previous_keys=tuple(SecretStr(item) for item in former)
    )
    return AccessTokens(Keyring(secret), AuthSettings.model_validate({"algorithm": algorithm}))


@pytest.fixture(params=["HS256", "EdDSA"])
def tokens(request: pytest.FixtureRequest) -> AccessTokens:
    return tokens_with(KEY, algorithm=request.param)


def issue(tokens: AccessTokens) -> str:
    return tokens.issue(USER_ID, SESSION_ID).token


def forge(tokens: AccessTokens, **changes: object) -> str:
    """A token as `tokens` would issue it, but for `changes`; `None` takes a claim away."""
    signing = tokens._signing  # noqa: SLF001 (an attacker has it in no way)
    algorithm = changes.pop("algorithm", tokens._algorithm)  # noqa: SLF001
    key = changes.pop("key", signing.signing)
    kid = changes.pop("kid", signing.id)
    now = datetime.now(UTC)
    claims = {
        "sub": str(USER_ID),
        "sid": str(SESSION_ID),
        "jti": "1",
        "iss": "app",
        "aud": "app",
        "iat": now,
        "nbf": now,
        "exp": now + timedelta(minutes=5),
        "type": "access",
    } | changes
    kept = {name: value for name, value in claims.items() if value is not None}
    headers = {} if kid is None else {"kid": str(kid)}
    return jwt.encode(kept, key, algorithm=str(algorithm), headers=headers)  # type: ignore[arg-type]


def test_reads_what_it_issued(tokens: AccessTokens) -> None:
    claims = tokens.read(issue(tokens))

    assert (claims.user_id, claims.session_id, claims.scopes) == (USER_ID, SESSION_ID, None)


def test_keeps_the_scopes(tokens: AccessTokens) -> None:
    issued = tokens.issue(USER_ID, SESSION_ID, ["orders:write", "orders:read"]).token

    assert tokens.read(issued).scopes == frozenset({"orders:read", "orders:write"})
    assert tokens.read(tokens.issue(USER_ID, SESSION_ID, []).token).scopes == frozenset()


def test_reads_a_token_of_the_expected_shape(tokens: AccessTokens) -> None:
    assert tokens.read(forge(tokens)).user_id == USER_ID


CLAIMS = ("sub", "sid", "jti", "iss", "aud", "iat", "nbf", "exp", "type")


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": datetime(2020, 1, 1, tzinfo=UTC)},
        {"nbf": datetime(2999, 1, 1, tzinfo=UTC)},
        {"iss": "other"},
        {"aud": "other"},
        {"type": "refresh"},
        {"sub": "ada"},
        {"sid": "1"},
        {"scope": 7},
        {"kid": None},
        {"kid": "unknown"},
        {"algorithm": "HS512", "key": KEY + KEY},
        {"algorithm": "HS256", "key": "another key for the tests, 32 bytes long"},
        *({claim: None} for claim in CLAIMS),
    ],
    ids=str,
)
def test_refuses_everything_else(tokens: AccessTokens, changes: dict[str, Any]) -> None:
    forged = forge(tokens, **changes)

    with pytest.raises(InvalidTokenError):
        tokens.read(forged)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é"])
def test_refuses_garbage(tokens: AccessTokens, token: str) -> None:
    with pytest.raises(InvalidTokenError):
        tokens.read(token)


def test_refuses_an_unsigned_token(tokens: AccessTokens) -> None:
    forged = forge(tokens, key=None, algorithm="none")

    with pytest.raises(InvalidTokenError):
        tokens.read(forged)


def test_a_public_key_is_no_secret_to_sign_with() -> None:
    """The oldest trick with two algorithms: HS256 with the public key as its secret."""
    tokens = tokens_with(KEY, algorithm="EdDSA")
    verifying = tokens._signing.verifying  # noqa: SLF001
    raw = verifying.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)

    with pytest.raises(InvalidTokenError):
        tokens.read(forge(tokens, algorithm="HS256", key=raw))


def test_a_token_that_was_read_before_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = tokens_with(KEY)
    token = forge(tokens)
    expires_at = tokens.read(token).expires_at

    monkeypatch.setattr("app.infrastructure.security.tokens.time", lambda: expires_at + 11)

    with pytest.raises(InvalidTokenError):
        tokens.read(token)


@pytest.mark.parametrize("algorithm", ["HS256", "EdDSA"])
class TestRotation:
    def test_reads_tokens_of_a_former_key(self, algorithm: str) -> None:
        before = issue(tokens_with(FORMER, algorithm=algorithm))

        overlap = tokens_with(KEY, FORMER, algorithm=algorithm)

        assert overlap.read(before).user_id == USER_ID
        assert (
            jwt.get_unverified_header(issue(overlap))["kid"]
            != (jwt.get_unverified_header(before)["kid"])
        )

    def test_refuses_them_once_the_former_key_is_gone(self, algorithm: str) -> None:
        before = issue(tokens_with(FORMER, algorithm=algorithm))

        with pytest.raises(InvalidTokenError):
            tokens_with(KEY, algorithm=algorithm).read(before)


class TestPublicKeys:
    def test_check_the_tokens(self) -> None:
        tokens = tokens_with(KEY, FORMER, algorithm="EdDSA")
        token = issue(tokens)

        keys = jwt.PyJWKSet.from_dict({"keys": tokens.public_keys()})

        key = keys[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, key, algorithms=["EdDSA"], audience="app")
        assert claims["sub"] == str(USER_ID)
        assert len(keys.keys) == 2
        assert all("d" not in item for item in tokens.public_keys())

    def test_are_not_there_while_the_key_is_secret(self) -> None:
        assert tokens_with(KEY).public_keys() == []


def test_each_purpose_has_a_key_of_its_own() -> None:
    keyring = Keyring(SecretSettings(key=SecretStr(KEY), previous_keys=(SecretStr(FORMER),)))

    one, other = keyring.derive("one"), keyring.derive("other")

    assert len({*one, *other}) == 4
    assert keyring.derive("one") == one
    assert (
        keyring.digests("one", "text")[0]
        == (Keyring(SecretSettings(key=SecretStr(KEY))).digests("one", "text")[0])
    )


class TestSecretSettings:
    def test_makes_a_key_for_each_process(self) -> None:
        assert SecretSettings().key != SecretSettings().key

    def test_deployed_it_must_be_set(self) -> None:
        assert SecretSettings().refusals()[0].startswith("SECRET_KEY must be set; make one with")
        assert SecretSettings(key=SecretStr("x" * 32)).refusals() == []

    @pytest.mark.parametrize("name", ["key", "previous_keys"])
    def test_refuses_a_short_key_without_showing_it(self, name: str) -> None:
        short = "a short key"
        value = short if name == "key" else (short,)

        with pytest.raises(ValidationError, match="must have at least 32 bytes") as caught:
            SecretSettings.model_validate({name: value})

        assert short not in str(caught.value)

    def test_several_former_keys_are_separated_by_commas(self) -> None:
        settings = SecretSettings.model_validate({"previous_keys": f"{KEY}, {FORMER}"})

        assert [item.get_secret_value() for item in settings.previous_keys] == [KEY, FORMER]
