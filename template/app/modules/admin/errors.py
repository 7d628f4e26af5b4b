from app.core.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError


class FormRefusedError(ForbiddenError):
    code = "admin.form_refused"
    title = "This form is not accepted"

    def __init__(self) -> None:
        super().__init__(
            "Go back, reload the page and send the form again. It takes a cookie, which the "
            "browser must be allowed to keep."
        )


class RecordNotFoundError(NotFoundError):
    code = "admin.record_not_found"
    title = "Record not found"

    def __init__(self) -> None:
        super().__init__("There is no such record, or not any more.")


class RecordConflictError(ConflictError):
    code = "admin.record_conflict"
    title = "Record in conflict"

    def __init__(self) -> None:
        super().__init__("This collides with another record, or one that refers to it.")


class InvalidRecordError(InvalidError):
    code = "admin.record_invalid"
    title = "Record not valid"
