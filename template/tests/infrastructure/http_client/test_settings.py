from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from app.bootstrap.settings import load_settings
from app.infrastructure.http_client.settings import HttpClientSettings


class TestSettings:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"allowed_networks": ("localhost",)}, "must be networks such as 10.0.5.0/24"),
            ({"allowed_networks": ("10.0.5.1/24",)}, "must be networks such as 10.0.5.0/24"),
            ({"allowed_ports": ("http",)}, "must be ports such as 443"),
            ({"allowed_ports": ("0",)}, "must be ports such as 443"),
            ({"allowed_ports": ("65536",)}, "must be ports such as 443"),
            ({"proxy_url": "socks5://ada:hunter2@h"}, "must begin with http:// or https://"),
            ({"proxy_url": "http://"}, "must begin with http:// or https://"),
            ({"backoff_seconds": 3}, "HTTP_CLIENT_MAX_BACKOFF_SECONDS is below"),
            ({"deadline_seconds": 0}, "greater than 0"),
            ({"attempts": 0}, "greater than or equal to 1"),
        ],
    )
    def test_refuse_what_makes_no_sense(self, values: dict[str, object], message: str) -> None:
        with pytest.raises(ValidationError) as refusal:
            HttpClientSettings.model_validate(values)

        assert message in str(refusal.value)
        assert "hunter2" not in str(refusal.value)

    def test_are_lists_with_commas(
        self, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert bare_environment
        monkeypatch.setenv("HTTP_CLIENT_ALLOWED_NETWORKS", "10.0.5.0/24, fd00::/8")
        monkeypatch.setenv("HTTP_CLIENT_ALLOWED_PORTS", "443,8443")
        settings = load_settings().http_client

        assert [str(network) for network in settings.networks] == ["10.0.5.0/24", "fd00::/8"]
        assert settings.ports == {443, 8443}

    def test_hide_the_proxy_s_password(self) -> None:
        settings = HttpClientSettings(proxy_url=SecretStr("http://ada:hunter2@h:3128"))

        assert "hunter2" not in repr(settings)


class TestRefusals:
    @pytest.mark.parametrize("network", ["10.0.5.0/24", "fd00::/8"])
    def test_leave_networks_of_the_owner_s_alone(self, network: str) -> None:
        assert HttpClientSettings(allowed_networks=(network,)).refusals() == []

    @pytest.mark.parametrize(
        "network", ["127.0.0.1/32", "::1/128", "169.254.0.0/16", "fe80::/64", "0.0.0.0/0", "::/0"]
    )
    def test_are_for_this_machine_and_the_platform_s_secrets(self, network: str) -> None:
        (refusal,) = HttpClientSettings(allowed_networks=(network,)).refusals()

        assert refusal.startswith("HTTP_CLIENT_ALLOWED_NETWORKS must not hold this machine")
