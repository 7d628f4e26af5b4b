import pytest
from pydantic import SecretStr, ValidationError

from app.infrastructure.database.settings import DatabaseSettings
from app.infrastructure.database.url import async_url


class TestAsyncUrl:
    @pytest.mark.parametrize(
        ("given", "understood"),
        [
            ("postgres://u:p@h:5432/d", "postgresql+asyncpg://u:p@h:5432/d"),
            ("postgresql://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
            ("postgresql+asyncpg://h/d", "postgresql+asyncpg://h/d"),
            ("postgresql://h/d?sslmode=require", "postgresql+asyncpg://h/d?ssl=require"),
            (
                "postgresql://h/d?sslmode=verify-full&channel_binding=require",
                "postgresql+asyncpg://h/d?ssl=verify-full",
            ),
            (
                "postgresql://u:p@/d?host=/run/project:region:name",
                "postgresql+asyncpg://u:p@/d?host=%2Frun%2Fproject%3Aregion%3Aname",
            ),
            ("sqlite:///a.db", "sqlite+aiosqlite:///a.db"),
        ],
    )
    def test_understands_what_platforms_hand_out(self, given: str, understood: str) -> None:
        assert async_url(given).render_as_string(hide_password=False) == understood

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ("secret", "is not a database address"),
            ("mysql://u:secret@h/d", "starts with mysql://"),
            ("postgresql://u:secret@h", "names no database"),
            ("postgresql://u:secret@h/d?sslrootcert=x", "the parameter 'sslrootcert'"),
            ("sqlite://", "SQLite needs a file"),
        ],
    )
    def test_says_what_is_wrong_without_the_address(self, given: str, message: str) -> None:
        with pytest.raises(ValidationError) as raised:
            DatabaseSettings(url=SecretStr(given))

        assert message in str(raised.value)
        assert "secret" not in str(raised.value)


class TestDatabaseSettings:
    def test_reads_go_where_writes_go(self) -> None:
        settings = DatabaseSettings(url=SecretStr("postgresql://main/d"))

        assert settings.read_address == settings.write_address

    def test_reads_may_go_to_a_replica(self) -> None:
        settings = DatabaseSettings(
            url=SecretStr("postgresql://main/d"), read_url=SecretStr("postgresql://replica/d")
        )

        assert settings.read_address.host == "replica"

    def test_deployed_it_takes_postgresql(self) -> None:
        assert DatabaseSettings(url=SecretStr("postgresql://h/d")).refusals() == []
        refusals = DatabaseSettings(echo=True).refusals()
        assert [refusal.split(" ")[0] for refusal in refusals] == [
            "DATABASE_URL",
            "DATABASE_ECHO=true",
        ]
