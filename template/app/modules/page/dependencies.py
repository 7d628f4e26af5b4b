from typing import Annotated, Generic

from fastapi import Depends, Request
from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect

from app.infrastructure.form.token import FIELD, is_secret, is_token_of
from app.infrastructure.http.origins import is_from_us

from .errors import BrokenFormError, ForeignFormError, StaleFormError, UnknownFormTypeError
from .forms import Content, Form, read_form
from .pages import COOKIE, Pages
from .schemas import Feedback
from .service import FeedbackService

# Far more than a page shows.
_MOST_FIELDS = 100


async def get_pages(request: Request) -> Pages:
    return Pages(request.state.site, request)


async def get_feedback_service(request: Request) -> FeedbackService:
    return FeedbackService(request.state.feedback_receivers, request.scope["state"])


class SentForm(Generic[Content]):
    """Reads the form that one of our pages has sent: `Depends(SentForm(Feedback))`.

    Raises `ForeignFormError`, `StaleFormError`, `UnknownFormTypeError` and `BrokenFormError`; what
    is wrong with the fields is part of the form.
    """

    def __init__(self, schema: type[Content]) -> None:
        self._schema = schema

    async def __call__(self, request: Request) -> Form[Content]:
        if not is_from_us(request, ()):
            raise ForeignFormError
        sent = await _fields_of(request)
        secret = request.state.site.cookies.read(request, COOKIE)
        token = str(sent.get(FIELD, ""))
        if secret is None or not is_secret(secret) or not is_token_of(secret, token):
            raise StaleFormError
        fields = ((name, str(value)) for name, value in sent.multi_items() if name != FIELD)
        return read_form(self._schema, fields)


async def _fields_of(request: Request) -> FormData:
    # The other type is for files, and brings encodings that its parser fails on.
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise UnknownFormTypeError
    try:
        return await request.form(max_fields=_MOST_FIELDS)
    except ClientDisconnect as exc:
        raise BrokenFormError from exc


PagesDep = Annotated[Pages, Depends(get_pages)]
FeedbackServiceDep = Annotated[FeedbackService, Depends(get_feedback_service)]
FeedbackFormDep = Annotated[Form[Feedback], Depends(SentForm(Feedback))]
