from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from app.infrastructure.logging.redaction import redact


def redacted(**event: object) -> dict[str, object]:
    return dict(redact(None, "info", event))


class TestRedact:
    @pytest.mark.parametrize(
        "name",
        [
            "password",
            "Password",
            "new_password",
            "passwd",
            "passwort",
            "secret",
            "client_secret",
            "token",
            "refresh_token",
            "Authorization",
            "proxy-authorization",
            "cookie",
            "Set-Cookie",
            "api_key",
            "X-API-Key",
            "apikey",
            "credentials",
            "private_key",
        ],
    )
    def test_masks_by_name(self, name: str) -> None:
        assert redacted(**{name: "hunter2"}) == {name: "[redacted]"}
        assert redacted(**{name: {"any": "hunter2"}}) == {name: "[redacted]"}
        assert redacted(nested={"list": [{name: b"hunter2"}]}) == {
            "nested": {"list": [{name: "[redacted]"}]}
        }

    @pytest.mark.parametrize(
        "event",
        [
            {"event": "request", "path": "/api/v1/things", "status": 200, "duration_ms": 1.5},
            {"key": "value", "monkey": 1, "passenger": None, "compass": True},
            {"event": "see https://example.com:8000/path?mail=a@b.example"},
            {"event": "a basic idea", "detail": "the bearer of news"},
        ],
    )
    def test_leaves_the_rest_alone(self, event: dict[str, Any]) -> None:
        assert redacted(**event) == event

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("ftp://ada:hunter2@host:5432/x", "ftp://ada:[redacted]@host:5432/x"),
            ("ftp://:hunter2@host/0", "ftp://:[redacted]@host/0"),
            (
                "from a://u:hunter2@h to b://v:hunter2@i",
                "from a://u:[redacted]@h to b://v:[redacted]@i",
            ),
            ("Authorization: Bearer abc.hunter2-_~+/=", "Authorization: Bearer [redacted]"),
            ("authorization: bearer hunter2hunter2", "authorization: bearer [redacted]"),
            ("AUTHORIZATION: BEARER hunter2hunter2", "AUTHORIZATION: BEARER [redacted]"),
            ("'Basic aHVudGVyMjpodW50ZXIy'", "'Basic [redacted]'"),
            ("ftp://ada@host/x", "ftp://ada@host/x"),
            (
                "Not one [type=int_parsing, input_value='hunter2, input_type=', input_type=str]",
                "Not one [type=int_parsing, input_value=[redacted], input_type=str]",
            ),
        ],
    )
    def test_masks_inside_text(self, text: str, expected: str) -> None:
        assert redacted(event=text) == {"event": expected}
        assert redacted(exception=f"Traceback\n  {text}\n") == {
            "exception": f"Traceback\n  {expected}\n"
        }
        assert redacted(args=(text, 7), headers={"via": [text]}) == {
            "args": [expected, 7],
            "headers": {"via": [expected]},
        }

    def test_masks_what_was_not_valid(self) -> None:
        """As Pydantic says it today, for several fields."""
        with pytest.raises(ValidationError) as raised:
            TypeAdapter(dict[str, int]).validate_python({"a": "hunter2", "b": ["hunter2"]})

        text = str(redacted(exception=str(raised.value)))
        assert text.count("input_value=[redacted]") == 2
        assert "hunter2" not in text
