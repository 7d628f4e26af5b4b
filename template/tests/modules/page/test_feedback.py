import re

import pytest
from httpx2 import AsyncClient
from structlog.testing import capture_logs

from app.core.feature import Feature
from tests.modules.page.conftest import visiting
from tests.modules.page.visitor import COOKIE, Inbox, errors_in, open_form, send

pytestmark = pytest.mark.anyio

THANKS = '<p class="notice" role="status">Thank you. Your message is on its way.</p>'


class TestForm:
    async def test_names_each_field(self, client: AsyncClient) -> None:
        text = (await client.get("/feedback")).text

        assert '<form method="post" action="feedback">' in text
        assert '<label for="name">Your name <span class="quiet">(optional)</span></label>' in text
        assert (
            '<input type="text" id="name" name="name" maxlength="100" autocomplete="name" value="">'
        ) in text
        assert '<label for="message">Your message</label>' in text
        assert (
            '<textarea id="message" name="message" maxlength="2000" required rows="8">\n</textarea>'
        ) in text

    async def test_gives_a_cookie_that_only_this_host_can(self, client: AsyncClient) -> None:
        cookie = (await client.get("/feedback")).headers["set-cookie"]

        assert re.fullmatch(
            r"__Host-csrf=[\w-]{43}; HttpOnly; Path=/; SameSite=lax; Secure", cookie
        )

    async def test_keeps_the_cookie_of_the_visitor(self, client: AsyncClient) -> None:
        await open_form(client)
        first = client.cookies[COOKIE]
        await open_form(client)

        assert client.cookies[COOKIE] == first

    async def test_answers_head(self, client: AsyncClient) -> None:
        assert (await client.head("/feedback")).status_code == 200


class TestSend:
    async def test_hands_the_message_to_the_receivers(
        self, client: AsyncClient, inbox: Inbox
    ) -> None:
        response = await send(client, name=" Ada ", message="One\r\ntwo <b>three</b>\r\n")

        assert response.status_code == 303
        assert response.headers["location"] == "feedback"
        assert inbox.received == [("Ada", "One\ntwo <b>three</b>")]
        assert inbox.states[0]["feedback_receivers"] == (inbox,)

    async def test_takes_a_message_without_a_name(self, client: AsyncClient, inbox: Inbox) -> None:
        assert (await send(client, name="", message="Hello")).status_code == 303
        assert (await send(client, message="Hello")).status_code == 303
        assert inbox.received == [("", "Hello")] * 2

    async def test_takes_as_many_characters_as_the_browser_counts(
        self, client: AsyncClient, inbox: Inbox
    ) -> None:
        response = await send(client, name="x" * 100, message="é\r\n" * 999 + "éé")

        assert response.status_code == 303
        assert inbox.received == [("x" * 100, "é\n" * 999 + "éé")]

    async def test_says_so_once(self, client: AsyncClient) -> None:
        sent = await send(client, message="Hello")
        # A link that is looked at before it is followed.
        await client.head("/feedback")
        first, second = await client.get("/feedback"), await client.get("/feedback")

        assert sent.headers["set-cookie"].endswith(
            "; HttpOnly; Max-Age=60; Path=/; SameSite=lax; Secure"
        )
        assert THANKS in first.text
        assert 'class="notice"' not in second.text

    async def test_can_be_repeated_from_the_same_page(
        self, client: AsyncClient, inbox: Inbox
    ) -> None:
        token = await open_form(client)
        for number in ("1", "2"):
            assert (await send(client, token, message=number)).status_code == 303

        assert inbox.received == [("", "1"), ("", "2")]

    async def test_tells_that_a_receiver_failed(self, client: AsyncClient, inbox: Inbox) -> None:
        inbox.is_broken = True
        with capture_logs():
            response = await send(client, message="Hello")

        assert response.status_code == 500
        assert "set-cookie" not in response.headers


class TestMistakes:
    @pytest.mark.parametrize(
        ("fields", "errors"),
        [
            ({}, ["Please fill this in."]),
            ({"message": ""}, ["Please fill this in."]),
            ({"message": " \r\n\t"}, ["Please fill this in."]),
            ({"message": "x" * 2001}, ["At most 2000 characters, please."]),
            ({"message": "a\x07b"}, ["Must not contain control characters."]),
            ({"message": "x", "name": "x" * 101}, ["At most 100 characters, please."]),
            ({"message": "x", "name": "a\nb"}, ["Must not contain control characters."]),
            (
                {"name": "x" * 101},
                ["At most 100 characters, please.", "Please fill this in."],
            ),
        ],
    )
    async def test_are_shown_at_the_fields(
        self, client: AsyncClient, inbox: Inbox, fields: dict[str, str], errors: list[str]
    ) -> None:
        response = await send(client, **fields)

        assert response.status_code == 422
        assert errors_in(response) == ["Something is not right yet. Nothing was sent.", *errors]
        assert inbox.received == []

    async def test_are_told_to_screen_readers(self, client: AsyncClient) -> None:
        text = (await send(client, name="Ada")).text

        assert (
            'name="message" maxlength="2000" required aria-invalid="true" '
            'aria-describedby="message-error"'
        ) in text
        assert '<p class="error" id="message-error">' in text
        assert '<p class="error" role="alert">' in text
        assert 'id="name-error"' not in text

    async def test_leave_what_was_written_in_the_form(self, client: AsyncClient) -> None:
        response = await send(client, name="x" * 101, message="Hello,\r\n\r\nyou")

        assert f'value="{"x" * 101}"' in response.text
        assert 'rows="8">\nHello,\n\nyou</textarea>' in response.text

    async def test_show_what_was_written_as_text(self, client: AsyncClient) -> None:
        attack = '"><script>alert(1)</script></textarea>' + "[[ 7 * 7 ]]"
        response = await send(client, name=attack + "x" * 100, message=attack)

        assert response.status_code == 422
        assert "<script" not in response.text
        escaped = "&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;/textarea&gt;[[ 7 * 7 ]]"
        assert f'value="{escaped}' in response.text
        assert f">\n{escaped}</textarea>" in response.text

    async def test_of_fields_that_are_not_ours_name_nothing(self, client: AsyncClient) -> None:
        response = await send(client, message="x", evil="1", worse="2")

        assert response.status_code == 422
        assert errors_in(response) == ["The form has a field too many. Reload the page."]
        assert "evil" not in response.text

    async def test_can_be_mended(self, client: AsyncClient, inbox: Inbox) -> None:
        await send(client, name="Ada")
        assert (await send(client, name="Ada", message="Now")).status_code == 303
        assert inbox.received == [("Ada", "Now")]


class TestWithoutReceivers:
    async def test_the_log_has_it_in_development(self) -> None:
        async with visiting() as client:
            with capture_logs() as lines:
                response = await send(client, name="Ada", message="Hello")

        assert response.status_code == 303
        assert {
            "event": "feedback",
            "log_level": "info",
            "name": "Ada",
            "message": "Hello",
        } in lines

    async def test_there_is_no_form_where_deployed(self) -> None:
        async with visiting(deployed=True) as client:
            shown = await client.get("/feedback")
            sent = await client.post("/feedback", data={"message": "Hello"})

        assert (shown.status_code, sent.status_code) == (404, 404)
        assert "This service takes no feedback." in shown.text

    async def test_there_is_one_where_deployed_with_a_receiver(self) -> None:
        inbox = Inbox()
        async with visiting([Feature(name="inbox", extensions=(inbox,))], deployed=True) as client:
            assert (await send(client, message="Hello")).status_code == 303

        assert inbox.received == [("", "Hello")]


class TestNotice:
    async def test_cannot_add_to_the_page(self, client: AsyncClient) -> None:
        client.cookies.set("__Host-notice", "%3Cscript%3Ealert(1)%3C/script%3E%FF")
        response = await client.get("/feedback")

        assert "&lt;script&gt;alert(1)&lt;/script&gt;\ufffd</p>" in response.text
        assert "<script" not in response.text


class TestPlainCookies:
    async def test_are_for_development_over_http(self) -> None:
        async with visiting(secure_cookies=False, base_url="http://test") as client:
            page = await client.get("/feedback")
            assert page.headers["set-cookie"].startswith("csrf=")
            assert "Secure" not in page.headers["set-cookie"]
            assert (await send(client, message="Hello")).status_code == 303
            assert "Thank you." in (await client.get("/feedback")).text
