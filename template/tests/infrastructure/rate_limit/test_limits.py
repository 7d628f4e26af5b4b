import pytest
from pydantic import ValidationError

from app.infrastructure.rate_limit.declarations import Declared, declared_by, limited, unlimited
from app.infrastructure.rate_limit.limits import RateLimit
from app.infrastructure.rate_limit.settings import RateLimitSettings


class TestNotation:
    @pytest.mark.parametrize(
        ("notation", "amount", "seconds"),
        [
            ("1/second", 1, 1),
            ("300/minute", 300, 60),
            ("20/hour", 20, 3600),
            ("999999/day", 999999, 86400),
            ("5/15 minutes", 5, 900),
            ("5/30 days", 5, 2592000),
        ],
    )
    def test_is_understood(self, notation: str, amount: int, seconds: int) -> None:
        assert RateLimit.parse(notation) == RateLimit(amount, seconds)

    @pytest.mark.parametrize(
        "notation",
        ["", "5", "0/minute", "5/0 minutes", "5/week", "-5/minute", "5 / minute", "1000000/day"],
    )
    def test_is_refused(self, notation: str) -> None:
        with pytest.raises(ValueError, match="must read like 300/minute or 5/15 minutes"):
            RateLimit.parse(notation)


class TestDeclarations:
    def test_say_what_holds_for_a_route(self) -> None:
        @limited("5/minute", "50/day", when_unavailable="refuse")
        def sensitive() -> None: ...

        @unlimited
        def free() -> None: ...

        def plain() -> None: ...

        both = (RateLimit(5, 60), RateLimit(50, 86400))
        assert declared_by(sensitive) == Declared(both, is_sensitive=True)
        assert declared_by(free) == Declared(())
        assert declared_by(plain) == Declared(None)

    def test_refuse_what_says_nothing(self) -> None:
        with pytest.raises(ValueError, match="name at least one limit"):
            limited()


class TestSettings:
    def test_have_limits_for_everybody(self) -> None:
        settings = RateLimitSettings()

        assert RateLimit.parse(settings.default) == RateLimit(300, 60)
        assert RateLimit.parse(settings.anonymous) == RateLimit(120, 60)

    def test_refuse_what_is_no_limit(self) -> None:
        with pytest.raises(ValidationError, match="must read like 300/minute"):
            RateLimitSettings(default="often")
