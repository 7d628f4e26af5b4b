from pathlib import Path

import pytest
from typer.testing import CliRunner

from app import cli
from app.bootstrap.settings import load_settings
from app.cli import Runner

from .conftest import Problems


def password() -> str | None:
    secret = load_settings().docs.password
    return secret.get_secret_value() if secret else None


class TestFiles:
    def test_are_not_looked_for_unless_the_folder_is_named(self, folder: Path) -> None:
        (folder / "DOCS_PASSWORD").write_text("hunter2")

        assert password() is None

    @pytest.mark.parametrize("name", ["DOCS_PASSWORD", "docs_password", "Docs_Password"])
    def test_are_named_like_variables_in_upper_or_lower_case(
        self, mounted: Path, name: str
    ) -> None:
        (mounted / name).write_text("hunter2")
        (mounted / "port").write_text("9000")
        (mounted / "CORS_ORIGINS").write_text("https://a.example,https://b.example")
        settings = load_settings()

        assert password() == "hunter2"
        assert settings.port == 9000
        assert settings.cors.origins == ("https://a.example", "https://b.example")

    @pytest.mark.parametrize(
        ("content", "value"),
        [
            ("hunter2\n", "hunter2"),
            ("hunter2\r\n", "hunter2"),
            (" hunter 2 \n", " hunter 2 "),
            ("-----BEGIN\nhunter2\n-----END\n", "-----BEGIN\nhunter2\n-----END"),
            ("höm", "höm"),
        ],
    )
    def test_lose_the_line_break_at_their_end_alone(
        self, mounted: Path, content: str, value: str
    ) -> None:
        (mounted / "DOCS_PASSWORD").write_bytes(content.encode())

        assert password() == value

    def test_count_as_unset_when_they_are_empty(self, mounted: Path) -> None:
        (mounted / "DOCS_PASSWORD").write_text("\n")

        assert password() is None

    def test_may_be_links_to_hidden_folders(self, mounted: Path) -> None:
        """Kubernetes replaces all of them at once by changing what `..data` links to."""
        (mounted / "..2026_11_22").mkdir()
        (mounted / "..2026_11_22" / "DOCS_PASSWORD").write_text("hunter2\n")
        (mounted / "..data").symlink_to("..2026_11_22")
        (mounted / "DOCS_PASSWORD").symlink_to("..data/DOCS_PASSWORD")

        assert password() == "hunter2"

    def test_of_others_are_not_read(self, mounted: Path) -> None:
        (mounted / "DOCS_PASSWORD").write_text("hunter2")
        (mounted / "keystore.p12").write_bytes(b"\xff\xfe")
        (mounted / "nowhere").symlink_to("gone")
        (mounted / "kubernetes.io").mkdir()

        assert password() == "hunter2"


class TestPrecedence:
    def test_is_the_environment_then_the_env_file_then_files(
        self, folder: Path, mounted: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PORT", "9001")
        (folder / ".env").write_text("PORT=9002\nLOG_LEVEL=error\n")
        (mounted / "PORT").write_text("9003")
        (mounted / "LOG_LEVEL").write_text("debug")
        (mounted / "DOCS_PASSWORD").write_text("hunter2")
        settings = load_settings()

        assert settings.port == 9001
        assert settings.log.level == "error"
        assert password() == "hunter2"

    def test_lets_the_env_file_name_the_folder(self, folder: Path) -> None:
        (folder / "mine").mkdir()
        (folder / "mine" / "PORT").write_text("9003")
        (folder / ".env").write_text("SECRETS_DIR=mine\n")

        assert load_settings().port == 9003


class TestCommand:
    def test_masks_what_was_in_a_file(self, mounted: Path) -> None:
        (mounted / "DOCS_PASSWORD").write_text("hunter2")
        result = CliRunner().invoke(cli.cli, ["settings"], obj=Runner(load_settings()))

        assert "DOCS_PASSWORD=**********\n" in result.output
        assert f"SECRETS_DIR={mounted}\n" in result.output
        assert "hunter2" not in result.output


class TestRefusal:
    def test_of_a_missing_folder(self, problems: Problems, mounted: Path) -> None:
        mounted.rmdir()

        assert problems() == [
            f"SECRETS_DIR={mounted}: the folder cannot be read: No such file or directory."
        ]

    def test_of_a_file_for_a_folder(self, problems: Problems, mounted: Path) -> None:
        mounted.rmdir()
        mounted.write_text("hunter2")

        assert problems() == [f"SECRETS_DIR={mounted}: the folder cannot be read: Not a directory."]

    def test_of_a_file_that_cannot_be_read(self, problems: Problems, mounted: Path) -> None:
        """Its link leads nowhere: root, whom tests may run as, may read everything else."""
        (mounted / "PORT").symlink_to("gone")

        assert problems() == [
            f"SECRETS_DIR={mounted}: the file PORT cannot be read: No such file or directory."
        ]

    def test_of_a_file_that_is_no_text(self, problems: Problems, mounted: Path) -> None:
        (mounted / "DOCS_PASSWORD").write_bytes(b"hunter2\xff")

        assert problems() == [f"SECRETS_DIR={mounted}: the file DOCS_PASSWORD is not UTF-8 text."]

    def test_of_a_folder_without_anything_for_us(self, problems: Problems, mounted: Path) -> None:
        (mounted / "keystore.p12").write_bytes(b"hunter2")

        assert problems() == [
            (
                f"SECRETS_DIR={mounted}: nothing in it has the name of a setting, such as "
                "DOCS_PASSWORD."
            )
        ]

    def test_of_a_misspelt_name(self, problems: Problems, mounted: Path) -> None:
        (mounted / "PORT").write_text("9003")
        (mounted / "LOGLEVEL").write_text("hunter2")

        assert problems() == [
            f"SECRETS_DIR={mounted}: LOGLEVEL: there is no such setting. Did you mean LOG_LEVEL?"
        ]

    def test_of_an_unknown_name_of_one_of_our_groups(
        self, problems: Problems, mounted: Path
    ) -> None:
        (mounted / "DOCS_QQQQQQQQQQQQQ").write_text("hunter2")

        assert problems() == [
            "DOCS_QQQQQQQQQQQQQ: there is no such setting. `python -m app.cli settings` lists them."
        ]

    def test_of_two_files_for_one_variable(self, problems: Problems, mounted: Path) -> None:
        (mounted / "PORT").write_text("9003")
        (mounted / "port").write_text("9004")

        assert problems() == [
            f"SECRETS_DIR={mounted}: two names differ in upper and lower case alone."
        ]

    def test_of_a_value_that_is_not_valid(self, problems: Problems, mounted: Path) -> None:
        (mounted / "PORT").write_text("hunter2")

        assert problems() == [
            "PORT: Input should be a valid integer, unable to parse string as an integer"
        ]

    def test_of_a_place_inside_a_place(self, problems: Problems, mounted: Path) -> None:
        (mounted / "SECRETS_AWS_SECRET_ID").write_text("hunter2")

        assert problems() == [
            (
                f"SECRETS_DIR={mounted}: SECRETS_AWS_SECRET_ID says where secrets are: set it in "
                "the environment."
            )
        ]
