from uuid import UUID

from app.core.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
    TooLargeError,
    UnsupportedTypeError,
)


class UnknownFileError(NotFoundError):
    """Also for another owner's file: a 403 would confirm that it exists."""

    code = "file.not_found"
    title = "File not found"

    def __init__(self, file_id: UUID) -> None:
        super().__init__(f"You have no file with the id {file_id}.")


class ContentMissingError(NotFoundError):
    code = "file.content_missing"
    title = "Content missing"

    def __init__(self) -> None:
        super().__init__("The content of this file is no longer there.")


class UploadNotFoundError(NotFoundError):
    code = "file.upload_not_found"
    title = "Upload not found"

    def __init__(self) -> None:
        super().__init__("Nothing was uploaded under this id, or it was completed before.")


class FileTooLargeError(TooLargeError):
    code = "file.too_large"
    title = "File too large"

    def __init__(self, most: int) -> None:
        super().__init__(f"A file must not exceed {most} bytes.")


class FileTypeError(UnsupportedTypeError):
    code = "file.type"
    title = "Type of file not accepted"


class FormTypeError(UnsupportedTypeError):
    code = "file.form_type"
    title = "Not a form with files"

    def __init__(self) -> None:
        super().__init__("Send the files as `multipart/form-data`.")


class MalformedFormError(InvalidError):
    code = "file.malformed_form"
    title = "Malformed form"


class UploadBrokenOffError(InvalidError):
    code = "file.broken_off"
    title = "Upload broken off"

    def __init__(self) -> None:
        super().__init__("The connection ended before the body did.")


class FileRefusedError(InvalidError):
    """What a `FileInspector` raises; the reason is shown to whoever uploads."""

    code = "file.refused"
    title = "File refused"


class QuotaExceededError(ConflictError):
    code = "file.quota_exceeded"
    title = "No room left"

    def __init__(self) -> None:
        super().__init__("Your files would take more room than you have: delete some first.")


class NoLinksError(ConflictError):
    code = "file.no_links"
    title = "No links"

    def __init__(self) -> None:
        super().__init__("There are no such links here: send and read the content itself.")
