from typing import Any

import pytest
from pydantic import ValidationError

from app.modules.file.settings import FileSettings


class TestFileSettings:
    @pytest.mark.parametrize(
        "values",
        [
            {"allowed_types": "png"},
            {"allowed_types": "image/*"},
            {"allowed_types": "text/html"},
            {"allowed_types": "image/png,image/svg+xml"},
            {"quota_bytes": 1000},
            {"files_per_request": 0},
            {"link_seconds": 604_801},
        ],
    )
    def test_refuses_what_is_not_safe_or_cannot_work(self, values: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            FileSettings.model_validate(values)

    def test_types_are_separated_by_commas(self) -> None:
        settings = FileSettings.model_validate({"allowed_types": "image/png, video/mp4"})

        assert settings.allowed_types == ("image/png", "video/mp4")
