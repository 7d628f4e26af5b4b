from typing import Any

from sqlalchemy import FromClause
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession


def upsert(session: AsyncSession, table: FromClause) -> Any:  # noqa: ANN401 (either dialect's own)
    """An INSERT that knows `on_conflict_do_update` and `on_conflict_do_nothing`.

    One statement, so two requests at the same moment cannot both find the row missing.
    """
    dialect = session.get_bind().dialect.name
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return insert(table)  # type: ignore[arg-type]
