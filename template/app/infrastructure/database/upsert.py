from importlib import import_module
from typing import Any

from sqlalchemy import FromClause
from sqlalchemy.ext.asyncio import AsyncSession


def upsert(session: AsyncSession, table: FromClause) -> Any:  # noqa: ANN401 (either dialect's own)
    """An INSERT that knows `on_conflict_do_update` and `on_conflict_do_nothing`.

    One statement, so two requests at the same moment cannot both find the row missing.
    """
    dialect = session.get_bind().dialect.name
    return import_module(f"sqlalchemy.dialects.{dialect}").insert(table)
