import pytest
from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from app.core.settings import CommaSeparated, Environment, ServiceSettings, SettingsGroup


class Listed(BaseModel):
    names: CommaSeparated = ()


class Picky(SettingsGroup):
    size: int = 1

    def refusals(self) -> list[str]:
        return [f"PICKY_SIZE={self.size} is refused."]


class Easy(SettingsGroup):
    size: int = 1


class Everything(ServiceSettings):
    easy: Easy = Easy()
    first: Picky = Picky(size=2)
    name: str = "x"
    second: Picky = Picky(size=3)


class TestEnvironment:
    @pytest.mark.parametrize(
        ("name", "is_deployed"),
        [("development", False), ("test", False), ("staging", True), ("production", True)],
    )
    def test_tells_where_it_is_deployed(self, name: str, *, is_deployed: bool) -> None:
        assert Environment(name).is_deployed is is_deployed


class TestCommaSeparated:
    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("", ()),
            (" , ", ()),
            ("a", ("a",)),
            ("a,b", ("a", "b")),
            (" a ,, b, ", ("a", "b")),
            (("a", "b"), ("a", "b")),
            (["a,b"], ("a,b",)),
        ],
    )
    def test_reads_a_list(self, written: object, expected: tuple[str, ...]) -> None:
        assert Listed.model_validate({"names": written}).names == expected

    def test_refuses_what_is_no_list(self) -> None:
        with pytest.raises(ValidationError):
            Listed.model_validate({"names": 7})


class TestSettingsGroup:
    def test_refuses_an_unknown_field(self) -> None:
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            Easy.model_validate({"sice": 1})

    def test_cannot_be_changed(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            Easy().size = 2  # type: ignore[misc]

    def test_does_not_show_values_in_errors(self) -> None:
        with pytest.raises(ValidationError) as caught:
            Easy.model_validate({"size": "hunter2"})

        assert "hunter2" not in str(caught.value)


class TestRefusals:
    def test_come_from_every_group_in_order(self) -> None:
        assert Everything().refusals() == ["PICKY_SIZE=2 is refused.", "PICKY_SIZE=3 is refused."]


class Kept(SettingsGroup):
    note: str = ""

    @classmethod
    def further_sources(
        cls, settings: type[BaseSettings]
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (InitSettingsSource(settings, {"name": "kept", "kept": {"note": "elsewhere"}}),)


class Keeping(ServiceSettings):
    kept: Kept = Kept()
    name: str = "x"


class TestSources:
    def test_of_a_group_are_asked_after_the_environment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NAME", "given")

        settings = Keeping()

        assert settings.name == "given"
        assert settings.kept.note == "elsewhere"
