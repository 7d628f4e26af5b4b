"""What a browser does with a page, and what the pages of these tests hand things to."""

import re
from html import unescape

from httpx2 import AsyncClient, Response

from app.core.feature import State
from app.modules.page.extension import FeedbackReceiver
from app.modules.page.schemas import Feedback

COOKIE = "__Host-csrf"


class Inbox(FeedbackReceiver):
    def __init__(self) -> None:
        self.received: list[tuple[str, str]] = []
        self.states: list[State] = []
        self.is_broken = False

    async def receive(self, state: State, feedback: Feedback) -> None:
        if self.is_broken:
            raise ConnectionError
        self.states.append(state)
        self.received.append((feedback.name, feedback.message))


def token_in(page: Response) -> str:
    found = re.search(r'<input type="hidden" name="csrf" value="([^"]*)">', page.text)
    assert found is not None, page.text
    return found[1]


async def open_form(client: AsyncClient) -> str:
    """The token of the form; the client has the cookie from now on."""
    page = await client.get("/feedback")
    assert page.status_code == 200, page.text
    return token_in(page)


async def send(
    client: AsyncClient,
    token: str | None = None,
    /,
    **fields: str,
) -> Response:
    """Fill the form in and send it."""
    csrf = await open_form(client) if token is None else token
    return await client.post("/feedback", data={"csrf": csrf, **fields})


def errors_in(page: Response) -> list[str]:
    """What is said about the form and its fields, in the order of the page."""
    return [unescape(it) for it in re.findall(r'<p class="error"[^>]*>([^<]*)</p>', page.text)]
