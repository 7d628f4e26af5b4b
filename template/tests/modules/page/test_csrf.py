import re

import pytest
from httpx2 import AsyncClient

from app.infrastructure.form.token import is_secret, is_token_of, new_secret, new_token
from tests.modules.page.visitor import COOKIE, Inbox, open_form, send

pytestmark = pytest.mark.anyio

STALE = "This form is no longer valid"
FOREIGN = "This form was sent from elsewhere"


def heading(text: str) -> str:
    found = re.search(r"<h1>([^<]*)</h1>", text)
    assert found is not None
    return found[1]


class TestToken:
    async def test_is_another_one_in_each_form(self, client: AsyncClient) -> None:
        first, second = await open_form(client), await open_form(client)

        assert first != second
        assert client.cookies[COOKIE] not in first

    @pytest.mark.parametrize(
        "token",
        [
            "",
            ".",
            "x",
            "x.y",
            f"nonce.{'0' * 64}",
            "nonce.é\ud7ff",
            new_token(new_secret()),
        ],
    )
    async def test_must_be_that_of_the_visitor(
        self, client: AsyncClient, inbox: Inbox, token: str
    ) -> None:
        await open_form(client)
        response = await send(client, token, message="Hello")

        assert response.status_code == 403
        assert heading(response.text) == STALE
        assert inbox.received == []

    async def test_must_be_there(self, client: AsyncClient, inbox: Inbox) -> None:
        await open_form(client)
        response = await client.post("/feedback", data={"message": "Hello"})

        assert response.status_code == 403
        assert inbox.received == []

    async def test_is_not_the_cookie_itself(self, client: AsyncClient) -> None:
        await open_form(client)
        response = await send(client, client.cookies[COOKIE], message="Hello")

        assert response.status_code == 403

    async def test_of_another_visitor_does_not_do(self, client: AsyncClient) -> None:
        token = await open_form(client)
        client.cookies.clear()
        await open_form(client)

        assert (await send(client, token, message="Hello")).status_code == 403

    async def test_does_not_do_without_the_cookie(self, client: AsyncClient) -> None:
        token = await open_form(client)
        client.cookies.clear()

        assert (await send(client, token, message="Hello")).status_code == 403

    async def test_does_for_each_form_of_a_page(self, client: AsyncClient, inbox: Inbox) -> None:
        page = await client.get("/shop/two/forms")
        tokens = re.findall(r'name="csrf" value="([^"]*)"', page.text)

        assert len(set(tokens)) == 2
        for token in tokens:
            assert (await send(client, token, message="Hello")).status_code == 303
        assert len(inbox.received) == 2

    async def test_is_asked_for_before_the_fields_are_looked_at(self, client: AsyncClient) -> None:
        assert (await send(client, "wrong", name="x" * 500)).status_code == 403

    async def test_is_believed_with_one_cookie_only(
        self, client: AsyncClient, inbox: Inbox
    ) -> None:
        token = await open_form(client)
        mine, planted = client.cookies[COOKIE], new_secret()
        client.cookies.clear()
        for cookie in (
            f"{COOKIE}={planted}; {COOKIE}={mine}",
            f"{COOKIE}={mine}; {COOKIE}={planted}",
            f"csrf={mine}",
            f"\xa0{COOKIE}={mine}",
        ):
            response = await client.post(
                "/feedback",
                data={"csrf": token, "message": "Hello"},
                headers=[(b"cookie", cookie.encode("latin-1"))],
            )
            assert response.status_code == 403, cookie

        assert inbox.received == []

    @pytest.mark.parametrize("planted", ["", "x", "a" * 42, "a" * 44, "a" * 42 + "!"])
    async def test_takes_a_cookie_of_ours(self, client: AsyncClient, planted: str) -> None:
        response = await client.post(
            "/feedback",
            data={"csrf": new_token(planted), "message": "Hello"},
            headers={"cookie": f"{COOKIE}={planted}"},
        )

        assert response.status_code == 403

    async def test_replaces_a_cookie_that_is_not_ours(self, client: AsyncClient) -> None:
        response = await client.get("/feedback", headers={"cookie": f"{COOKIE}=planted"})

        assert re.match(r"__Host-csrf=[\w-]{43};", response.headers["set-cookie"])


class TestOrigin:
    @pytest.mark.parametrize(
        "headers",
        [
            {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
            {"sec-fetch-site": "same-site", "origin": "https://other.test"},
            {"sec-fetch-site": "cross-site", "origin": "null"},
            {"sec-fetch-site": "cross-site"},
            {"origin": "https://evil.example"},
            {"origin": "https://test.evil.example"},
            {"origin": "null"},
        ],
    )
    async def test_of_another_page_is_refused_even_with_the_token(
        self, client: AsyncClient, inbox: Inbox, headers: dict[str, str]
    ) -> None:
        form = {"csrf": await open_form(client), "message": "Hello"}
        response = await client.post("/feedback", data=form, headers=headers)

        assert response.status_code == 403
        assert heading(response.text) == FOREIGN
        assert inbox.received == []

    @pytest.mark.parametrize(
        "headers",
        [
            {"sec-fetch-site": "same-origin", "origin": "https://test"},
            {"sec-fetch-site": "same-origin", "origin": "https://public.example"},
            {"origin": "https://test"},
            {},
        ],
    )
    async def test_of_our_pages_is_not(
        self, client: AsyncClient, inbox: Inbox, headers: dict[str, str]
    ) -> None:
        form = {"csrf": await open_form(client), "message": "Hello"}
        response = await client.post("/feedback", data=form, headers=headers)

        assert response.status_code == 303
        assert inbox.received == [("", "Hello")]

    async def test_is_looked_at_before_the_body_is(self, client: AsyncClient) -> None:
        response = await client.post(
            "/feedback", content=b"{", headers={"sec-fetch-site": "cross-site"}
        )

        assert response.status_code == 403


class TestSecret:
    def test_is_hard_to_guess(self) -> None:
        assert is_secret(new_secret())
        assert len({new_secret() for _ in range(100)}) == 100

    def test_signs_its_own_tokens_alone(self) -> None:
        mine, other = new_secret(), new_secret()

        assert is_token_of(mine, new_token(mine))
        assert not is_token_of(other, new_token(mine))

    @pytest.mark.parametrize("value", [None, "", "a" * 43 + "\n", "ä" * 43])
    def test_is_nothing_else(self, value: str | None) -> None:
        assert not is_secret(value)
