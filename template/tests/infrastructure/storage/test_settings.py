from typing import Any

import pytest
from pydantic import ValidationError

from app.infrastructure.storage.settings import StorageSettings


class TestRefusals:
    def test_a_folder_is_for_development(self) -> None:
        (refusal,) = StorageSettings().refusals()

        assert refusal.startswith("STORAGE_BUCKET must name a bucket")

    def test_links_that_others_can_read_on_their_way(self) -> None:
        settings = StorageSettings(bucket="files", public_endpoint="http://files.example.com")

        (refusal,) = settings.refusals()

        assert refusal.startswith("STORAGE_PUBLIC_ENDPOINT must begin with https://")

    def test_are_none_for_a_bucket(self) -> None:
        settings = StorageSettings(
            bucket="files",
            endpoint="http://minio:9000/",
            public_endpoint="https://files.example.com",
        )

        assert settings.refusals() == []
        assert settings.endpoint == "http://minio:9000"


class TestSettings:
    @pytest.mark.parametrize(
        "values",
        [
            {"endpoint": "minio:9000"},
            {"endpoint": "https://"},
            {"access_key_id": "hunter2"},
            {"secret_access_key": "hunter2"},
            {"timeout_seconds": 0},
            {"retries": -1},
        ],
    )
    def test_refuses_what_cannot_work_without_showing_it(self, values: dict[str, Any]) -> None:
        with pytest.raises(ValidationError) as caught:
            StorageSettings.model_validate(values)

        assert "hunter2" not in str(caught.value)
