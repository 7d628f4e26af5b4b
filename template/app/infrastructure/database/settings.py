from functools import cached_property
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator
from sqlalchemy import URL

from app.core.settings import SettingsGroup

from .url import EMBEDDED, async_url


class DatabaseSettings(SettingsGroup):
    """Read from `DATABASE_*`."""

    url: SecretStr = SecretStr(EMBEDDED)
    """`postgresql://user:password@host:5432/name`; unset: a SQLite file, not where deployed."""
    read_url: SecretStr | None = None
    """A replica for reads; unset: reads go to `url`."""
    pool_size: Annotated[int, Field(ge=1)] = 10
    max_overflow: Annotated[int, Field(ge=0)] = 0
    """A worker opens up to twice `pool_size + max_overflow` connections, for writes and for reads:
    20 by default, of the 100 that a PostgreSQL server allows. `db connections` does the sum.
    An overflow connection is closed after use, and opening one costs more than most requests do:
    hence none."""
    pool_timeout_seconds: Annotated[float, Field(gt=0)] = 5
    """How long a request waits for a connection before it is answered with 503."""
    pool_recycle_seconds: Annotated[int, Field(gt=0)] = 1800
    """Below the hour after which firewalls and managed databases drop idle connections."""
    connect_timeout_seconds: Annotated[float, Field(gt=0)] = 3
    statement_timeout_seconds: Annotated[float, Field(ge=0)] = 15
    """After which PostgreSQL gives a statement up: 503. Less than `REQUEST_TIMEOUT_SECONDS`, so
    that the answer says what was slow. 0: never, here and below."""
    lock_timeout_seconds: Annotated[float, Field(ge=0)] = 5
    """How long a statement waits for a row or a table that somebody else has locked: 503. Locks are
    held for milliseconds."""
    idle_transaction_timeout_seconds: Annotated[float, Field(ge=0)] = 60
    """After which PostgreSQL hangs up on a transaction in which nothing happens: it holds its locks
    and keeps dead rows. More than a request takes."""
    prepared_statements: bool = True
    """False behind PgBouncer in transaction mode. Reads have no timeouts there, see
    `server_timeouts`."""
    purge_interval_seconds: Annotated[float, Field(ge=0)] = 86_400
    """How often each process deletes what has expired; 0: only `db purge` does. A day: what has
    expired is refused anyway, it only takes room."""
    slow_query_seconds: Annotated[float, Field(ge=0)] = 0.5
    """From which time on a statement is logged with its origin; 0: none is. A request needs
    several, and people notice a second."""
    echo: bool = False
    """Log every statement, with its parameters: for development only."""

    @field_validator("url", "read_url")
    @classmethod
    def _is_understood(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            async_url(value.get_secret_value())
        return value

    @cached_property
    def write_address(self) -> URL:
        return async_url(self.url.get_secret_value())

    @cached_property
    def read_address(self) -> URL:
        if self.read_url is None:
            return self.write_address
        return async_url(self.read_url.get_secret_value())

    @property
    def is_embedded(self) -> bool:
        return self.write_address.get_backend_name() == "sqlite"

    @property
    def connections(self) -> int:
        """The most connections one of the two engines opens in one process."""
        return self.pool_size + self.max_overflow

    @property
    def server_timeouts(self) -> dict[str, str]:
        """PostgreSQL's own settings, in milliseconds."""
        seconds = {
            "statement_timeout": self.statement_timeout_seconds,
            "lock_timeout": self.lock_timeout_seconds,
            "idle_in_transaction_session_timeout": self.idle_transaction_timeout_seconds,
        }
        return {name: str(round(value * 1000)) for name, value in seconds.items() if value}

    @property
    def for_migrations(self) -> Self:
        """The same database, in which a statement may take as long as it takes."""
        unlimited = dict.fromkeys(
            (
                "statement_timeout_seconds",
                "lock_timeout_seconds",
                "idle_transaction_timeout_seconds",
            ),
            0,
        )
        return self.model_copy(update=unlimited)

    def refusals(self) -> list[str]:
        refused = []
        if self.is_embedded:
            refused.append(
                "DATABASE_URL must name a PostgreSQL database, for example "
                "postgresql://user:password@host:5432/name: SQLite is for development and tests."
            )
        if self.echo:
            refused.append("DATABASE_ECHO=true writes personal data to the logs: unset it.")
        return refused
