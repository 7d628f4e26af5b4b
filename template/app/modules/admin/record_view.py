"""The library's view of one table, made from ours."""

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

import structlog
from pydantic import ValidationError
from sqladmin import ModelView
from sqladmin.formatters import BASE_FORMATTERS
from sqladmin.models import ModelViewMeta
from sqlalchemy import Select, Uuid, inspect, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import load_only
from starlette.exceptions import HTTPException
from starlette.requests import Request

from app.core.errors import DomainError
from app.infrastructure.database.session import database_of
from app.infrastructure.security.dependencies import events_of
from app.modules.common.models import SoftDeleteMixin

from .entrance import entry_of
from .errors import InvalidRecordError, RecordConflictError, RecordNotFoundError
from .extension import AdminView, RecordEditor, Work

logger = structlog.get_logger()


class RefusedChangeError(Exception):
    """Its text is shown on the page from which the change was sent."""


class _Refusals(logging.Filter):
    """The library logs as a defect what we refuse; defects we have logged ourselves."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], RefusedChangeError))


logging.getLogger("sqladmin.application").addFilter(_Refusals())


class RecordView(ModelView):
    declared: ClassVar[AdminView]

    page_size = 25
    can_export = False
    can_import = False

    # --- Reading: on sessions that cannot write, and never a column that is not listed.

    def list_query(self, request: Request) -> Select[Any]:  # noqa: ARG002
        return self._live().order_by(None)

    def _stmt_by_identifier(self, identifier: str) -> Select[Any]:
        return self._live().where(_identified(self.declared, identifier))

    def _live(self) -> Select[Any]:
        names = {*self.declared.shown, *self.declared.editable}
        attributes = [getattr(self.model, name) for name in sorted(names)]
        return _live(self.declared).options(load_only(*attributes, raiseload=True))

    def search_query(self, stmt: Select[Any], term: str) -> Select[Any]:
        """What is typed stands for itself, `%` and `_` too; an id is looked for among the ids."""
        columns = [getattr(self.model, name) for name in self.declared.searched]
        matches = [it.icontains(term, autoescape=True) for it in columns]
        with suppress(ValueError):
            wanted = UUID(term)
            shown = (self.declared.table[name] for name in self.declared.shown)
            matches += [column == wanted for column in shown if isinstance(column.type, Uuid)]
        return stmt.where(or_(*matches))

    # --- Writing: one transaction with the rules of the module and the record of the deed.

    async def insert_model(self, request: Request, data: dict[str, Any]) -> Any:  # noqa: ANN401
        values = self._values(data)
        async with _change(request) as work:
            record = await self._editor().create(work, values)
            await self._record(work, "record_created", record, values)
        return record

    async def update_model(self, request: Request, pk: str, data: dict[str, Any]) -> Any:  # noqa: ANN401
        async with _change(request) as work:
            record = await self._locked(work, pk)
            changes = {
                name: value
                for name, value in self._values(data).items()
                if getattr(record, name) != value
            }
            if changes:
                await self._editor().update(work, record, changes)
                await self._record(work, "record_changed", record, changes)
        return record

    async def delete_model(self, request: Request, pk: Any) -> None:  # noqa: ANN401
        async with _change(request) as work:
            record = await self._locked(work, pk)
            await self._record(work, "record_deleted", record, {})
            await self._editor().delete(work, record)

    def _editor(self) -> RecordEditor:
        if self.declared.editor is None:
            raise HTTPException(HTTPStatus.FORBIDDEN)
        return self.declared.editor

    async def _locked(self, work: Work, pk: str) -> Any:  # noqa: ANN401
        statement = _live(self.declared).where(_identified(self.declared, pk))
        if (record := await work.session.scalar(statement.with_for_update())) is None:
            raise RecordNotFoundError
        return record

    def _values(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """What may be changed and nothing else; a field that was left empty has no value."""
        values = {name: data.get(name) for name in self.declared.editable}
        for name, value in values.items():
            if isinstance(value, str):
                # Browsers send two characters for a line's end.
                text = value.replace("\r\n", "\n")
                is_absent = not text and self.declared.table[name].nullable
                values[name] = None if is_absent else text
        return values

    async def _record(
        self,
        work: Work,
        event: str,
        record: Any,  # noqa: ANN401
        changes: Mapping[str, Any],
    ) -> None:
        declared = self.declared
        account = None if declared.account is None else getattr(record, declared.account)
        await events_of(work.request).record(
            work.session,
            event,
            account,
            table=declared.model.__tablename__,
            record_id=str(inspect(record).identity[0]),
            # Not the values, which may be anybody's business.
            columns=" ".join(sorted(changes)),
        )


def record_view(view: AdminView) -> type[RecordView]:
    names = view.model.__mapper__.primary_key
    made: type[RecordView] = ModelViewMeta(
        f"{view.model.__name__}Records",
        (RecordView,),
        {
            "declared": view,
            "name": view.name,
            "name_plural": view.plural,
            "icon": view.icon,
            "column_list": list(view.columns),
            "column_details_list": list(view.shown),
            "column_searchable_list": list(view.searched),
            "column_sortable_list": list(view.columns),
            "column_default_sort": [(column.name, True) for column in names],
            "column_labels": {name: _label(name) for name in (*view.shown, *view.editable)},
            "column_type_formatters": {**BASE_FORMATTERS, datetime: _moment},
            # Never empty: that would mean all.
            "form_columns": list(view.editable or view.columns),
            "can_create": view.can_create,
            "can_edit": bool(view.editable),
            "can_delete": view.can_delete,
        },
        model=view.model,
    )
    return made


@asynccontextmanager
async def _change(request: Request) -> AsyncGenerator[Work]:
    """Raises `RefusedChangeError` for whatever goes wrong."""
    try:
        async with database_of(request).transaction() as session:
            yield Work(session, request, entry_of(request).caller)
    except DomainError as exc:
        raise RefusedChangeError(exc.detail) from exc
    except ValidationError as exc:
        # Never what was typed.
        texts = (f"{_label(str(it['loc'][0]))}: {it['msg']}." for it in exc.errors() if it["loc"])
        raise RefusedChangeError(" ".join(texts) or InvalidRecordError.title) from None
    except IntegrityError:
        raise RefusedChangeError(RecordConflictError().detail) from None
    except Exception as exc:
        logger.exception("unhandled error")
        raise RefusedChangeError("Something went wrong here; it was logged.") from exc


def _live(view: AdminView) -> Select[Any]:
    statement = select(view.model)
    if issubclass(view.model, SoftDeleteMixin):
        statement = statement.where(view.model.deleted_at.is_(None))
    return statement


def _identified(view: AdminView, identifier: str) -> Any:  # noqa: ANN401
    """Raises `RecordNotFoundError` for what cannot be a key of this table."""
    (column,) = view.model.__mapper__.primary_key
    try:
        return column == column.type.python_type(identifier)
    except ValueError:
        raise RecordNotFoundError from None


def _label(name: str) -> str:
    words = name.removeprefix("is_").removesuffix("_id").replace("_", " ")
    return f"{words[:1].upper()}{words[1:]}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
