from collections.abc import Mapping
from typing import Any

from app.modules.admin.extension import AdminView, RecordEditor, Work
from app.modules.book.dependencies import book_service_of
from app.modules.book.models import Book
from app.modules.book.schemas import BookUpdate
from app.modules.book.service import BookService


class BookEditor(RecordEditor):
    """As the owner would."""

    async def update(self, work: Work, record: Book, changes: Mapping[str, Any]) -> None:
        await _service(work, record).update(record.id, BookUpdate.model_validate(changes))

    async def delete(self, work: Work, record: Book) -> None:
        await _service(work, record).delete(record.id)


def _service(work: Work, record: Book) -> BookService:
    return book_service_of(record.owner_id, work.session, work.request.scope["state"])


VIEWS = (
    AdminView(
        model=Book,
        name="Book",
        plural="Books",
        icon="fa-solid fa-book",
        columns=("title", "author", "isbn", "published_in", "created_at"),
        details=("id", "owner_id", "description", "updated_at"),
        searched=("title", "author", "isbn"),
        editable=("title", "author", "isbn", "published_in", "description"),
        editor=BookEditor(),
        can_delete=True,
        account="owner_id",
    ),
)
