from typing import Any

import pytest
from pydantic import ValidationError

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.modules.cookie_session.settings import SessionSettings
from tests.support import FixedSettings

HTTP_REFUSAL = "SESSION_SECURE_COOKIE=false sends logins over plain HTTP: unset it."


class TestSettings:
    def test_are_safe_by_default(self) -> None:
        settings = SessionSettings()

        assert settings.idle_seconds == 604_800
        assert settings.secure_cookie is True
        assert settings.same_site == "lax"
        assert settings.refusals() == []

    def test_refuse_plain_http_where_deployed(self) -> None:
        assert SessionSettings(secure_cookie=False).refusals() == [HTTP_REFUSAL]

    @pytest.mark.parametrize(
        ("values", "problem"),
        [
            ({"idle_seconds": 299}, "greater than or equal to 300"),
            ({"idle_seconds": 31_536_001}, "less than or equal to 31536000"),
            ({"same_site": "Lax"}, "Input should be 'lax', 'strict' or 'none'"),
            ({"same_site": "none", "secure_cookie": False}, "takes SESSION_SECURE_COOKIE=true"),
        ],
    )
    def test_refuse_what_cannot_work(self, values: dict[str, Any], problem: str) -> None:
        with pytest.raises(ValidationError, match=problem):
            SessionSettings.model_validate(values)


def document(**values: Any) -> dict[str, Any]:  # noqa: ANN401 (any setting)
    settings = FixedSettings(environment="test", session=SessionSettings(**values))
    return create_app(settings, enabled_features(settings)).openapi()


class TestDocument:
    @pytest.mark.parametrize(("is_secure", "name"), [(True, "__Host-session"), (False, "session")])
    def test_names_the_cookie_and_the_header(self, is_secure: bool, name: str) -> None:  # noqa: FBT001
        schemes = document(secure_cookie=is_secure)["components"]["securitySchemes"]

        assert schemes["SessionCookie"].keys() == {"type", "in", "name", "description"}
        assert schemes["SessionCookie"]["in"] == "cookie"
        assert schemes["SessionCookie"]["name"] == name
        assert schemes["CsrfToken"]["in"] == "header"
        assert schemes["CsrfToken"]["name"] == "X-CSRF-Token"

    def test_asks_for_both_where_something_changes(self) -> None:
        account = document()["paths"]["/api/v1/users/me"]

        assert {"SessionCookie": ["profile:read"]} in account["get"]["security"]
        change = {"SessionCookie": ["profile:write"], "CsrfToken": []}
        assert change in account["patch"]["security"]
        assert {"OAuth2PasswordBearer": ["profile:write"]} in account["patch"]["security"]

    def test_shows_who_may_call_the_routes(self) -> None:
        session = document()["paths"]["/api/v1/session"]

        assert session["get"]["security"] == [{"SessionCookie": []}]
        assert "security" not in session["post"]
        assert "security" not in session["delete"]
        answered = {method: set(operation["responses"]) for method, operation in session.items()}
        assert "429" in answered["post"]
        # Middleware may refuse any of them for coming too often.
        assert {method: statuses - {"429"} for method, statuses in answered.items()} == {
            "post": {"200", "400", "401", "403", "413", "422", "503"},
            "get": {"200", "401", "503"},
            "delete": {"204", "403", "503"},
        }
