from uuid import UUID

from app.core.errors import ConflictError, NotFoundError


class BookNotFoundError(NotFoundError):
    """Also for another owner's book: a 403 would confirm that it exists."""

    code = "book.not_found"
    title = "Book not found"

    def __init__(self, book_id: UUID) -> None:
        super().__init__(f"You have no book with the id {book_id}.")


class IsbnTakenError(ConflictError):
    code = "book.isbn_taken"
    title = "Book already in the catalogue"

    def __init__(self) -> None:
        super().__init__("You already have a book with this ISBN.")
