import pytest
from pydantic import ValidationError

from app.infrastructure.http.settings import (
    CorsSettings,
    RequestSettings,
    SecuritySettings,
    TrustedSettings,
)


class TestCorsSettings:
    @pytest.mark.parametrize(
        ("origins", "allow_credentials"),
        [((), True), (("*",), False), (("https://a.example",), True)],
    )
    def test_accepts(self, origins: tuple[str, ...], *, allow_credentials: bool) -> None:
        cors = CorsSettings(origins=origins, allow_credentials=allow_credentials)

        assert cors.refusals() == []

    @pytest.mark.parametrize("origins", [("*",), ("https://a.example", "*")])
    def test_refuses_any_origin_with_credentials(self, origins: tuple[str, ...]) -> None:
        (refusal,) = CorsSettings(origins=origins, allow_credentials=True).refusals()

        assert refusal == (
            "CORS_ORIGINS=* with CORS_ALLOW_CREDENTIALS=true lets any site act for a user who is "
            "logged in: name the origins."
        )


class TestLimits:
    def test_have_a_lower_bound(self) -> None:
        assert RequestSettings(max_body_bytes=1024).max_body_bytes == 1024
        assert SecuritySettings(hsts_seconds=0).hsts_seconds == 0
        with pytest.raises(ValidationError):
            RequestSettings(max_body_bytes=1023)
        with pytest.raises(ValidationError):
            SecuritySettings(hsts_seconds=-1)


class TestTrustedSettings:
    def test_lets_all_hosts_in_by_default(self) -> None:
        assert TrustedSettings().hosts == ("*",)
        assert TrustedSettings().refusals() == []
