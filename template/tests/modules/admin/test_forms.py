"""Nothing is changed unless one of our pages has asked for it; nothing comes from elsewhere."""

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from app.infrastructure.form.token import new_secret, new_token
from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD, Witness

from .browser import FORM_SECRET, ROOT, Browser

pytestmark = pytest.mark.anyio


def _behind_prefix(app: ASGIApp) -> ASGIApp:
    async def prefixed(scope: Scope, receive: Receive, send: Send) -> None:
        # As servers do it that are told the prefix.
        own = {**scope, "root_path": "/shop", "path": f"/shop{scope['path']}"}
        await app(own, receive, send)

    return prefixed


class TestForms:
    @pytest.mark.parametrize("token", ["", "x.y", new_token(new_secret())])
    async def test_login_takes_a_token(self, browser: Browser, root: User, token: str) -> None:
        await browser.open("/login")
        browser.token = token

        response = await browser.send("/login", username=root.username, password=PASSWORD)

        assert response.status_code == 403
        assert "This form is not accepted" in response.text

    async def test_token_of_another_browser_does_not_count(
        self, browser: Browser, root: User
    ) -> None:
        await browser.open("/login")
        browser.client.cookies.clear()
        browser.client.headers["cookie"] = f"{FORM_SECRET}={new_secret()}"

        response = await browser.send("/login", username=root.username, password=PASSWORD)

        assert response.status_code == 403

    async def test_other_sites_are_refused(self, panel: Browser, user: User) -> None:
        panel.client.headers["sec-fetch-site"] = "same-site"

        response = await panel.send(f"/user/edit/{user.id}", name="Mallory")

        assert response.status_code == 403

    async def test_what_changes_something_takes_a_token(
        self, panel: Browser, user: User, witness: Witness
    ) -> None:
        panel.token = ""

        for path in (f"/user/edit/{user.id}", "/user/create", "/user/import", "/logout"):
            assert (await panel.send(path, name="Mallory")).status_code == 403
        assert (await panel.delete("/user/delete", pks=str(user.id))).status_code == 403
        assert set(witness.names) == {"csrf_refused"}

    async def test_bodies_that_are_no_forms_have_no_token(self, panel: Browser) -> None:
        for content_type in ("application/json", "multipart/form-data; boundary=x", "text/plain"):
            response = await panel.client.post(
                f"{ROOT}/logout", content=b"{}", headers={"content-type": content_type}
            )
            assert response.status_code == 403

    async def test_link_is_no_logout(self, panel: Browser) -> None:
        await panel.open("/logout")

        assert (await panel.open("/")).url.path == "/admin/"


class TestHeaders:
    async def test_pages_bring_no_scripts_or_styles_of_their_own(self, panel: Browser) -> None:
        for path in ("/", "/user/list", "/nothing/list"):
            response = await panel.open(path)

            policy = response.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
            assert "unsafe" not in policy
            assert response.headers["cache-control"] == "no-store"
            assert "<style" not in response.text
            assert "<script>" not in response.text
            assert "http://" not in response.text
            assert "https://" not in response.text

    async def test_addresses_have_the_prefix_of_a_proxy(self, browser: Browser) -> None:
        transport = browser.client._transport  # noqa: SLF001
        transport.app = _behind_prefix(transport.app)  # type: ignore[attr-defined]
        response = await browser.client.get("https://test/admin/login")

        assert 'action="/shop/admin/login"' in response.text
        assert 'href="/shop/admin/statics/css/main.css"' in response.text
        assert (await browser.client.get("https://test/admin")).headers["location"] == (
            "/shop/admin/"
        )

    async def test_files_are_kept_for_a_while(self, browser: Browser) -> None:
        for name in ("js/jquery.min.js", "panel.js"):
            response = await browser.client.get(f"{ROOT}/statics/{name}")
            assert response.status_code == 200
            assert response.headers["cache-control"] == "public, max-age=3600"
        assert (await browser.client.get(f"{ROOT}/statics/nothing.js")).status_code == 404
