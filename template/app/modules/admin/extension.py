"""What modules show in the panel: entries of their `Feature.extensions`."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, LargeBinary
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from app.infrastructure.database.base import Base
from app.modules.user.authentication import Caller
from app.modules.user.permissions import Permission

from .permissions import CHANGE_RECORDS, USE_ADMIN

_SECRET = re.compile(
    r"(^|_)(password|passphrase|secret|hash|hashed|token|digest|fingerprint|salt|sealed|encrypted"
    r"|credential|challenge|claim|nonce|private)s?(_|$)"
)


def is_secret(column: Column[Any]) -> bool:
    """Whether a column may be something that nobody is to see: by its name, or as it is bytes.

    Rather one too many: a view that lists such a column does not start.
    """
    return isinstance(column.type, LargeBinary) or _SECRET.search(column.name) is not None


@dataclass(frozen=True, slots=True)
class Work:
    """One change: the transaction it belongs to, the request that asks for it, and who."""

    session: AsyncSession
    request: Request
    caller: Caller


class RecordEditor(ABC):
    """Changes the records of one table by the rules of their module.

    What is refused with a `DomainError` or a `ValidationError` of Pydantic is shown.
    """

    async def create(self, work: Work, values: Mapping[str, Any]) -> Base:
        raise NotImplementedError

    @abstractmethod
    async def update(self, work: Work, record: Any, changes: Mapping[str, Any]) -> None:  # noqa: ANN401
        """`changes` has the columns whose value is another one."""

    async def delete(self, work: Work, record: Any) -> None:  # noqa: ANN401
        raise NotImplementedError


class RowEditor(RecordEditor):
    """For tables without rules: what the database takes is right."""

    def __init__(self, model: type[Base]) -> None:
        self._model = model

    async def create(self, work: Work, values: Mapping[str, Any]) -> Base:
        record = self._model(**values)
        work.session.add(record)
        await work.session.flush()
        return record

    async def update(self, work: Work, record: Any, changes: Mapping[str, Any]) -> None:  # noqa: ANN401
        for name, value in changes.items():
            setattr(record, name, value)
        await work.session.flush()

    async def delete(self, work: Work, record: Any) -> None:  # noqa: ANN401
        await work.session.delete(record)
        await work.session.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminView:
    """One table in the panel: only the columns that are listed here are ever read.

    Without an `editor` it is for looking alone. Soft-deleted rows are left out.
    """

    model: type[Base]
    name: str
    plural: str
    icon: str = "fa-solid fa-table"
    """A free icon of Font Awesome 6."""
    columns: tuple[str, ...]
    """Those of the list, the newest record first."""
    details: tuple[str, ...] = ()
    """Further ones, on the page of a record."""
    searched: tuple[str, ...] = ()
    """In which to look for what is typed; texts."""
    editable: tuple[str, ...] = ()
    editor: RecordEditor | None = None
    can_create: bool = False
    can_delete: bool = False
    account: str | None = None
    """The column with the account that a record belongs to: whose business a change is."""
    read: Permission = USE_ADMIN
    write: Permission = CHANGE_RECORDS
    table: Mapping[str, Column[Any]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        table = {it.name: it for it in self.model.__mapper__.columns}
        object.__setattr__(self, "table", table)
        for name in (*self.shown, *self.searched, *self.editable):
            if name not in table:
                raise ValueError(f"{self.model.__name__} has no column {name}.")
            if is_secret(table[name]):
                raise ValueError(f"{self.model.__name__}.{name} may be a secret.")
        if not set(self.searched) <= set(self.shown):
            raise ValueError("What is searched must be shown: a search can be a guess.")
        if self.editor is None and (self.editable or self.can_create or self.can_delete):
            raise ValueError(f"A view that changes {self.plural} takes an editor.")

    @property
    def shown(self) -> tuple[str, ...]:
        return (*self.columns, *self.details)
