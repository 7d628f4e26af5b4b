"""Whatever is sent to a form, the answer is a page that says what is wrong."""

import pytest
from httpx2 import AsyncClient
from starlette.types import Message

from app.bootstrap.factory import create_app
from app.infrastructure.docs.settings import DocsSettings
from app.modules.page.feature import feature
from app.modules.page.settings import PageSettings
from tests.modules.page.conftest import SETTINGS
from tests.modules.page.visitor import COOKIE, Inbox, open_form, send

pytestmark = pytest.mark.anyio

FORM = "application/x-www-form-urlencoded"


class TestGarbage:
    @pytest.mark.parametrize(
        ("content", "status"),
        [
            (b"", 403),
            (b"\xff\xfe\x00&&&==%zz%=%", 403),
            (b"csrf", 403),
            (b"csrf=%00", 403),
            (b"csrf=%ff", 403),
            (b"csrf=%ed%a0%80", 403),
            (b"&" * 10_000, 403),
            (b"a=1&" * 101, 400),
        ],
    )
    async def test_is_refused(self, client: AsyncClient, content: bytes, status: int) -> None:
        await open_form(client)
        response = await client.post("/feedback", content=content, headers={"content-type": FORM})

        assert response.status_code == status
        assert response.headers["content-type"] == "text/html; charset=utf-8"

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            (b"message=%ff%00", 422),
            (b"message=%ff", 303),
            (b"message=%ed%a0%80", 303),
            (b"message=a&message=b", 303),
            (b"=x&message=a", 422),
            (b"message=a&__class__=b", 422),
            (b"message=a&name=%e2%80%ae", 303),
        ],
    )
    async def test_with_the_token_is_checked(
        self, client: AsyncClient, fields: bytes, status: int
    ) -> None:
        token = await open_form(client)
        content = b"csrf=" + token.encode() + b"&" + fields
        response = await client.post("/feedback", content=content, headers={"content-type": FORM})

        assert response.status_code == status

    @pytest.mark.parametrize(
        "media_type",
        [
            "",
            "application/json",
            "text/plain",
            "multipart/form-data; boundary=x",
            "multipart/form-data; boundary=x; charset=undefined",
            "application/x-www-form-urlencoded-not",
            ";;;",
        ],
    )
    async def test_of_another_type_is_refused_unread(
        self, client: AsyncClient, media_type: str
    ) -> None:
        response = await client.post(
            "/feedback", content=b'{"message": "Hello"}', headers={"content-type": media_type}
        )

        assert response.status_code == 415
        assert "<h1>This is not a form</h1>" in response.text

    async def test_of_a_type_with_parameters_is_read(
        self, client: AsyncClient, inbox: Inbox
    ) -> None:
        token = await open_form(client)
        response = await client.post(
            "/feedback",
            content=f"csrf={token}&message=Hello",
            headers={"content-type": "Application/X-WWW-Form-URLencoded; charset=utf-8"},
        )

        assert response.status_code == 303
        assert inbox.received == [("", "Hello")]

    async def test_that_is_too_large_is_refused_as_a_page(self, client: AsyncClient) -> None:
        response = await send(client, message="x" * (1024 * 1024))

        assert response.status_code == 413
        assert "The request body must not exceed 1048576 bytes." in response.text
        assert "<h1>" in response.text


class TestBrokenConnection:
    async def test_is_no_defect_of_ours(self, client: AsyncClient) -> None:
        token = await open_form(client)
        cookie = f"{COOKIE}={client.cookies[COOKIE]}"
        page = feature(PageSettings(), DocsSettings(), deployed=False)
        app = create_app(SETTINGS, [page])
        sent: list[Message] = []

        async def receive() -> Message:
            # The first piece, and then the browser is gone.
            if not received:
                received.append("first")
                return {"type": "http.request", "body": f"csrf={token}".encode(), "more_body": True}
            return {"type": "http.disconnect"}

        async def send_away(message: Message) -> None:
            sent.append(message)

        received: list[str] = []
        async with app.router.lifespan_context(app) as state:
            scope = {
                "type": "http",
                "method": "POST",
                "scheme": "https",
                "path": "/feedback",
                "raw_path": b"/feedback",
                "query_string": b"",
                "headers": [(b"content-type", FORM.encode()), (b"cookie", cookie.encode())],
                "state": dict(state or {}),
            }
            await app(scope, receive, send_away)

        assert sent[0]["status"] == 400
        assert b"<h1>The form did not arrive</h1>" in sent[1]["body"]
