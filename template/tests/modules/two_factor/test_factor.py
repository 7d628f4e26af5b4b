from uuid import uuid4

import pytest
from pydantic import SecretStr
from pyotp import TOTP

from app.infrastructure.security.settings import SecretSettings
from app.modules.auth.steps import Login
from app.modules.two_factor.factor import (
    Cipher,
    SecondFactor,
    canonical_code,
    new_recovery_code,
    qr_code,
)
from app.modules.two_factor.settings import TwoFactorSettings

from .phone import STEP, Clock

NEW, OLD = b"n" * 32, b"o" * 32
KEY = SecretStr("a key for the tests of at least 32 bytes")
LOGIN = Login(user_id=uuid4(), methods=frozenset({"pwd"}), grant="token", scopes=["a:b"])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def factor(clock: Clock) -> SecondFactor:
    factor = SecondFactor(TwoFactorSettings(), SecretSettings(key=KEY), title="Orders")
    factor.clock = clock
    return factor


class TestCipher:
    def test_reads_what_it_encrypted(self) -> None:
        cipher = Cipher([NEW])

        assert cipher.decrypt(cipher.encrypt("text", b"ada"), b"ada") == ("text", True)

    def test_encrypts_each_time_differently(self) -> None:
        cipher = Cipher([NEW])

        assert cipher.encrypt("text", b"") != cipher.encrypt("text", b"")

    def test_reads_what_a_former_key_encrypted_and_says_so(self) -> None:
        former = Cipher([OLD]).encrypt("text", b"ada")

        assert Cipher([NEW, OLD]).decrypt(former, b"ada") == ("text", False)
        assert Cipher([NEW]).decrypt(former, b"ada") is None

    def test_a_text_cannot_be_moved_to_another_account(self) -> None:
        cipher = Cipher([NEW])

        assert cipher.decrypt(cipher.encrypt("text", b"ada"), b"eve") is None

    def test_a_text_cannot_be_changed(self) -> None:
        cipher = Cipher([NEW])
        sealed = cipher.encrypt("text", b"")

        for at in range(len(sealed) - 1):
            other = "A" if sealed[at] != "A" else "B"
            assert cipher.decrypt(sealed[:at] + other + sealed[at + 1 :], b"") is None

    @pytest.mark.parametrize("sealed", ["", "A", "AAAA", "A" * 16, "A" * 100, "\u00e4"])
    def test_made_up_texts_are_nothing(self, sealed: str) -> None:
        assert Cipher([NEW]).decrypt(sealed, b"") is None


class TestSecret:
    def test_has_160_bits_and_is_new_each_time(self, factor: SecondFactor) -> None:
        secrets = {factor.new_secret() for _ in range(10)}

        assert len(secrets) == 10
        assert {len(TOTP(secret).byte_secret()) for secret in secrets} == {20}

    def test_the_uri_names_the_service_and_the_account(self, factor: SecondFactor) -> None:
        assert factor.uri("GWK6WCVTSS3WURNAKAJ7IR6U4C3XDBPN", "ada") == (
            "otpauth://totp/Orders:ada?secret=GWK6WCVTSS3WURNAKAJ7IR6U4C3XDBPN&issuer=Orders"
        )

    def test_the_setting_names_the_service_otherwise(self) -> None:
        settings = TwoFactorSettings(issuer="Shop & Co")
        factor = SecondFactor(settings, SecretSettings(key=KEY), title="Orders")

        assert factor.issuer == "Shop & Co"
        with pytest.raises(ValueError, match="pattern"):
            TwoFactorSettings(issuer="a:b")

    def test_the_picture_needs_no_other_site(self, factor: SecondFactor) -> None:
        picture = qr_code(factor.uri(factor.new_secret(), "ada"))

        assert picture.startswith("data:image/svg+xml;charset=utf-8,%3Csvg")
        assert "script" not in picture


class TestCodes:
    @pytest.mark.parametrize(
        ("steps", "counts"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
    )
    def test_count_one_step_back_and_forth(
        self, factor: SecondFactor, clock: Clock, steps: int, *, counts: bool
    ) -> None:
        secret = "GWK6WCVTSS3WURNAKAJ7IR6U4C3XDBPN"
        at = clock.now + steps * STEP

        found = factor.step_of(secret, TOTP(secret).at(at))

        assert found == (int(at) // STEP if counts else None)

    def test_are_those_of_the_standard(self, factor: SecondFactor, clock: Clock) -> None:
        """RFC 6238 appendix B: the secret is `12345678901234567890`; its last six digits."""
        secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        for clock.now, code in ((59, "287082"), (1111111109, "081804"), (20000000000, "353130")):
            assert factor.step_of(secret, code) == int(clock.now) // STEP

    def test_recovery_codes_have_120_bits(self) -> None:
        codes = {new_recovery_code() for _ in range(100)}

        assert len(codes) == 100
        assert all(len(code) == 29 and len(canonical_code(code)) == 24 for code in codes)
        assert set("".join(codes)) <= set("abcdefghijklmnopqrstuvwxyz234567-")


class TestChallenge:
    def test_carries_the_login(self, factor: SecondFactor) -> None:
        found = factor.read_challenge(factor.issue_challenge(LOGIN))

        assert found is not None
        assert found.login == LOGIN

    def test_shows_nothing_of_it(self, factor: SecondFactor) -> None:
        challenge = factor.issue_challenge(LOGIN)

        assert challenge != factor.issue_challenge(LOGIN)
        assert LOGIN.user_id.hex not in challenge

    def test_lives_five_minutes(self, factor: SecondFactor, clock: Clock) -> None:
        challenge = factor.issue_challenge(LOGIN)

        clock.now += 299
        assert factor.read_challenge(challenge) is not None
        clock.now += 1
        assert factor.read_challenge(challenge) is None

    def test_of_another_service_is_nothing(self, factor: SecondFactor) -> None:
        other = SecretStr("another key of another service, 32 bytes")
        theirs = SecondFactor(TwoFactorSettings(), SecretSettings(key=other), title="Orders")

        assert factor.read_challenge(theirs.issue_challenge(LOGIN)) is None

    def test_a_stored_secret_is_not_one(self, factor: SecondFactor) -> None:
        """Each purpose has a key of its own."""
        assert factor.read_challenge(factor.secrets.encrypt("{}", b"")) is None

    def test_with_the_longest_scope_fits_the_request(self, factor: SecondFactor) -> None:
        login = Login(
            user_id=uuid4(), methods=frozenset({"pwd", "fed"}), grant="g" * 20, scopes=["s" * 2000]
        )

        assert len(factor.issue_challenge(login)) <= 4096
