"""Lists of plain rows by statements that are built once.

Building a statement and loading entities cost more than running the query does; a list changes
nothing, so it needs neither.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import ColumnElement, FromClause, Integer, String, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

Rows = list[dict[str, Any]]
Values = Mapping[str, Any]

# Every id sorts before it.
_AFTER_ALL = UUID(int=2**128 - 1)


def contains(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Whether a text contains the value `name`, in any case; `%` and `_` stand for themselves."""
    escaped = func.replace(bindparam(name, type_=String), "/", "//")
    for wildcard in "%_":
        escaped = func.replace(escaped, wildcard, f"/{wildcard}")
    return column.icontains(escaped, escape="/")


class Listing:
    """The rows of `table` that meet `criteria`, with the columns that `schema` shows.

    `criteria` and `order` speak of the table's columns, with a `bindparam` for every value.
    """

    def __init__(
        self,
        table: FromClause,
        schema: type[BaseModel],
        *criteria: ColumnElement[bool],
        order: Sequence[ColumnElement[Any]] = (),
    ) -> None:
        self._names = tuple(schema.model_fields)
        key, limit = table.c.id, bindparam("limit", type_=Integer)
        rows = select(*(table.c[name] for name in self._names)).where(*criteria)
        self._total = select(func.count()).select_from(table).where(*criteria)
        self._page = (
            rows.add_columns(self._total.correlate(None).scalar_subquery())
            # The key makes the order total, so that no row shows up on two pages.
            .order_by(*order, key.desc())
            .limit(limit)
            .offset(bindparam("offset", type_=Integer))
        )
        self._scroll = rows.where(key < bindparam("last")).order_by(key.desc()).limit(limit)

    async def page(
        self, session: AsyncSession, values: Values, *, limit: int, offset: int
    ) -> tuple[Rows, int]:
        """One page and the number of all rows, in one round trip."""
        paged = {**values, "limit": limit, "offset": offset}
        rows = (await session.execute(self._page, paged)).all()
        if rows:
            return self._named(rows), rows[0][-1]
        # Past the end there is no row to carry the total.
        return [], (await session.scalar(self._total, values)) or 0

    async def after(
        self, session: AsyncSession, values: Values, *, last: UUID | None, limit: int
    ) -> tuple[Rows, UUID | None]:
        """The next `limit` rows older than `last`, newest first, and the key to go on with."""
        scrolled = {**values, "last": last or _AFTER_ALL, "limit": limit + 1}
        rows = self._named((await session.execute(self._scroll, scrolled)).all())
        return rows[:limit], rows[limit - 1]["id"] if len(rows) > limit else None

    def _named(self, rows: Iterable[Sequence[Any]]) -> Rows:
        return [dict(zip(self._names, row, strict=False)) for row in rows]
