import pytest
from pydantic import SecretStr

from app.infrastructure.docs.settings import DocsSettings

REFUSAL = (
    "DOCS_ENABLED=true would publish the API documentation: set DOCS_PASSWORD (at least 16 "
    "characters) as well, or leave DOCS_ENABLED unset."
)


class TestDocsSettings:
    @pytest.mark.parametrize(
        ("enabled", "password", "refusals"),
        [
            (None, None, []),
            (False, None, []),
            (None, "short", []),
            (True, None, [REFUSAL]),
            (True, "x" * 15, [REFUSAL]),
            (True, "x" * 16, []),
        ],
    )
    def test_refuses_to_publish_without_a_long_password(
        self, *, enabled: bool | None, password: str | None, refusals: list[str]
    ) -> None:
        secret = None if password is None else SecretStr(password)

        assert DocsSettings(enabled=enabled, password=secret).refusals() == refusals

    def test_masks_the_password(self) -> None:
        assert "hunter2" not in repr(DocsSettings(password=SecretStr("hunter2")))
