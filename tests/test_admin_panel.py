"""The admin panel, driven as people do: in a browser, which runs its scripts and keeps its rules."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from harness.commands import Outcome, Steps, run
from harness.environments import Environments
from harness.projects import Renderer
from harness.servers import missing, served

pytestmark = pytest.mark.suite

PASSWORD = "correct horse battery"
# Where to put pictures of the pages for the documentation; nowhere unless asked for.
PICTURES = os.environ.get("ADMIN_PICTURES")


@pytest.fixture(scope="module")
def project(render: Renderer, environments: Environments, tmp_path_factory: pytest.TempPathFactory) -> Steps:
    folder = tmp_path_factory.mktemp("admin") / "project"
    return environments.install(render.project(folder, preset="everything", project_name="Bookshop"))


@pytest.fixture(scope="module")
def variables(project: Steps) -> dict[str, str]:
    """Of a service on SQLite, whose superuser has three books."""
    extra = {
        "DATABASE_URL": f"sqlite:///{project.folder}/panel.db",
        "SECRET_KEY": "a key that is long enough for tests, and for nothing else",
        "TWO_FACTOR_REQUIRED_FOR_SUPERUSERS": "false",
        "SUPERUSER_PASSWORD": PASSWORD,
    }
    create = "python -m app.cli user create-superuser --email ada@example.com --username ada"
    for command in ("alembic upgrade head", create, "python -m app.cli book seed ada"):
        outcome: Outcome = run(f"uv run --no-sync {command}", project.folder, extra)
        assert outcome.ok, outcome
    return extra


@pytest.fixture(scope="module")
def service(project: Steps, variables: dict[str, str]) -> Iterator[str]:
    with served(project.folder, **variables) as base:
        # Browsers take secure cookies from this name without TLS.
        yield base.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        missing("Chromium is needed: install it (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        # As root it runs without its sandbox only; what it opens is ours.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser had to say: errors of scripts, what the content security policy forbids, what is missing."""
    return []


@pytest.fixture
def page(chromium: Browser, service: str, complaints: list[str]) -> Iterator[Page]:
    def failed(request: Request) -> None:
        # Not what the next page has broken off.
        if "ABORTED" not in str(request.failure):
            complaints.append(request.url)

    context = chromium.new_context(base_url=service, viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", failed)
    yield page
    context.close()


def log_in(page: Page, username: str = "ada") -> None:
    page.goto("/admin")
    page.get_by_label("Username or e-mail address").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def picture(page: Page, name: str) -> None:
    if PICTURES is not None:
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


def rows(page: Page) -> list[str]:
    return page.locator("tbody tr").all_inner_texts()


@pytest.fixture
def client(service: str) -> Iterator[httpx2.Client]:
    """Of the API."""
    with httpx2.Client(base_url=f"{service}/api/v1", timeout=10) as client:
        yield client


def register(client: httpx2.Client, username: str) -> None:
    """Somebody new, as whom the client is logged in then."""
    data = {"name": username, "username": username, "email": f"{username}@example.com", "password": PASSWORD}
    assert client.post("/users", json=data).status_code == 201
    tokens = client.post("/auth/token", data={"username": username, "password": PASSWORD}).json()
    client.headers["authorization"] = f"Bearer {tokens['access_token']}"


class TestPanel:
    def test_lists_searches_and_edits(self, page: Page, complaints: list[str]) -> None:
        log_in(page)
        page.get_by_role("navigation").get_by_role("link", name="Books").click()
        assert len(rows(page)) == 3
        picture(page, "admin-list")

        page.locator("#search-input").fill("austen")
        page.locator("#search-button").click()
        page.wait_for_url("**search=austen**")
        assert len(rows(page)) == 1
        page.locator("tbody a", has=page.locator(".fa-pen-to-square")).click()
        picture(page, "admin-edit")
        page.get_by_label("Title").fill("Emma, a novel")
        page.get_by_role("button", name="Save").click()

        page.wait_for_url("**/book/list**")
        assert "Emma, a novel" in "".join(rows(page))
        page.goto("/admin/audit-event/list")
        assert "record_changed" in rows(page)[0]
        assert complaints == []

    def test_refuses_what_the_module_refuses(self, page: Page) -> None:
        log_in(page)
        page.goto("/admin/book/list?search=austen")
        page.locator("tbody a", has=page.locator(".fa-pen-to-square")).click()
        page.get_by_label("Isbn").fill("123")
        page.get_by_role("button", name="Save").click()

        expect(page.get_by_role("alert")).to_contain_text("Isbn:")

    def test_deletes_after_a_question(self, page: Page, complaints: list[str]) -> None:
        log_in(page)
        page.goto("/admin/book/list")
        before = len(rows(page))
        page.locator("tbody a[data-bs-target='#modal-delete']").first.click()
        with page.expect_navigation():
            page.get_by_role("dialog").get_by_role("button", name="Delete").click()

        assert len(rows(page)) == before - 1
        assert complaints == []

    def test_shows_every_table(self, page: Page, complaints: list[str]) -> None:
        log_in(page)
        links = page.locator("a.card-link").evaluate_all("found => found.map(it => it.href)")
        for link in links:
            page.goto(link)
            expect(page.locator("#search-input")).to_be_visible()

        assert len(links) == 13
        assert complaints == []

    def test_looks_right(self, page: Page) -> None:
        """With its own fonts and icons, on a narrow screen too."""
        log_in(page)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.fonts.check('900 16px \"Font Awesome 6 Free\"')")

        page.set_viewport_size({"width": 400, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        expect(page.get_by_role("navigation").get_by_role("link", name="Books")).to_be_hidden()
        page.get_by_role("button", name="Menu").click()
        expect(page.get_by_role("navigation").get_by_role("link", name="Books")).to_be_visible()


class TestEntrance:
    def test_refuses_a_normal_user(self, page: Page, client: httpx2.Client) -> None:
        register(client, "grace")
        log_in(page, "grace")

        expect(page.get_by_role("alert")).to_be_visible()
        page.goto("/admin/user/list")
        assert page.url.endswith("/admin/login")

    def test_takes_the_second_factor(
        self, page: Page, client: httpx2.Client, project: Steps, variables: dict[str, str]
    ) -> None:
        register(client, "barbara")
        secret = client.post("/two-factor/enrol").json()["secret"]

        def code(shift: int) -> str:
            program = f"import pyotp, time; print(pyotp.TOTP('{secret}').at(time.time() + 30 * {shift}))"
            outcome = run(["uv", "run", "--no-sync", "python", "-c", program], project.folder)
            assert outcome.ok, outcome
            return outcome.output.strip()

        assert client.post("/two-factor/activate", json={"code": code(0)}).status_code == 200
        promote = "python -m app.cli user create-superuser --email barbara@example.com --username barbara"
        outcome = run(f"uv run --no-sync {promote}", project.folder, variables)
        assert outcome.ok, outcome

        log_in(page, "barbara")
        expect(page.get_by_text("Second factor required")).to_be_visible()
        assert "__Host-admin_session" not in {it["name"] for it in page.context.cookies()}
        page.get_by_label("Code").fill("000000")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_be_visible()

        log_in(page, "barbara")
        page.get_by_label("Code").fill(code(1))
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("button", name="Log out")).to_be_visible()

    def test_is_left_by_a_button(self, page: Page) -> None:
        log_in(page)
        page.get_by_role("button", name="Log out").click()

        assert page.url.endswith("/admin/login")
        page.goto("/admin/")
        assert page.url.endswith("/admin/login")


class TestForgery:
    def test_takes_a_token_for_every_change(self, page: Page) -> None:
        log_in(page)
        page.goto("/admin/book/list")
        key = page.locator("tbody input[type=hidden]").first.input_value()
        statuses = page.evaluate(
            """async key => [
                await fetch(`/admin/book/edit/${key}`, {method: "POST", body: new URLSearchParams({title: "x"})}),
                await fetch(`/admin/book/delete?pks=${key}`, {method: "DELETE"}),
                await fetch("/admin/logout", {method: "POST"}),
                await fetch("/admin/login", {method: "POST", body: new URLSearchParams({username: "ada"})}),
            ].map(it => it.status)""",
            key,
        )

        assert statuses == [403, 403, 403, 403]

    def test_other_sites_cannot_send_a_form(self, page: Page, service: str) -> None:
        log_in(page)
        page.goto("/admin/")
        token = page.locator("input[name=csrf]").first.input_value()
        # Another name of the same machine is another site; cookies for the first one stay at home.
        other = service.replace("localhost", "127.0.0.1")
        page.goto(f"{other}/health/live")
        page.set_content(
            f'<form action="{service}/admin/logout" method="POST"><input name="csrf" value="{token}"><button>x</button>'
        )
        with page.expect_navigation() as answer:
            page.get_by_role("button").click()

        assert answer.value is not None
        assert answer.value.status == 403
        page.goto(f"{service}/admin/")
        assert page.url.endswith("/admin/")
