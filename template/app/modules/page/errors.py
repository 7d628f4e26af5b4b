from app.core.errors import ForbiddenError, MalformedError, NotFoundError, UnsupportedTypeError


class ForeignFormError(ForbiddenError):
    code = "page.foreign_form"
    title = "This form was sent from elsewhere"

    def __init__(self) -> None:
        super().__init__("Forms are accepted from the pages of this service only.")


class StaleFormError(ForbiddenError):
    code = "page.stale_form"
    title = "This form is no longer valid"

    def __init__(self) -> None:
        super().__init__(
            "Go back, reload the page and send the form again. It takes a cookie, which the "
            "browser must be allowed to keep."
        )


class UnknownFormTypeError(UnsupportedTypeError):
    code = "page.unknown_form_type"
    title = "This is not a form"

    def __init__(self) -> None:
        super().__init__("Forms are accepted as application/x-www-form-urlencoded only.")


class BrokenFormError(MalformedError):
    code = "page.broken_form"
    title = "The form did not arrive"

    def __init__(self) -> None:
        super().__init__("The connection broke before all of it was here.")


class FeedbackClosedError(NotFoundError):
    code = "page.feedback_closed"
    title = "Nobody reads feedback here"

    def __init__(self) -> None:
        super().__init__("This service takes no feedback.")
