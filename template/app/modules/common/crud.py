from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from .models import Record, SoftDeleteMixin

Model = TypeVar("Model", bound=Record)


class CRUD(Generic[Model]):
    """The queries every table needs; subclasses add those their module asks for.

    Methods flush and never commit: the transaction belongs to the edge.
    """

    model: type[Model]
    searched: ClassVar[tuple[InstrumentedAttribute[Any], ...]] = ()
    """The columns that `search` looks into."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    def select(self) -> Select[Model]:
        """The rows this class may see; override it to narrow them, to a tenant for example."""
        statement = select(self.model)
        if issubclass(self.model, SoftDeleteMixin):
            statement = statement.where(self.model.deleted_at.is_(None))
        return statement

    async def get(self, record_id: UUID) -> Model | None:
        return await self.session.scalar(self.select().where(self.model.id == record_id))

    async def add(self, record: Model) -> Model:
        self.session.add(record)
        await self.session.flush()
        return record

    async def update(self, record: Model, values: Mapping[str, Any]) -> Model:
        for name, value in values.items():
            setattr(record, name, value)
        await self.session.flush()
        return record

    def search(self, statement: Select[Model], words: str | None) -> Select[Model]:
        """Keep the rows where one of the `searched` columns contains `words`, in any case."""
        if words is None:
            return statement
        matches = [column.icontains(words, autoescape=True) for column in self.searched]
        return statement.where(or_(*matches))

    async def page(
        self, statement: Select[Model], *, limit: int, offset: int
    ) -> tuple[Sequence[Model], int]:
        """One page and the number of all rows, in one round trip.

        `statement` is ordered by the caller; the primary key is appended so that the order is
        total and no row shows up on two pages.
        """
        total = (
            select(func.count())
            .select_from(statement.with_only_columns(self.model.id).order_by(None).subquery())
            .scalar_subquery()
        )
        rows = (
            await self.session.execute(
                statement.add_columns(total)
                .order_by(self.model.id.desc())
                .limit(limit)
                .offset(offset)
            )
        ).all()
        if rows:
            return [row[0] for row in rows], rows[0][1]
        # Past the end there is no row to carry the total.
        return [], (await self.session.scalar(select(total))) or 0
