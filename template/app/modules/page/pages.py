from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.routing import route_path
from app.infrastructure.form.cookies import HostCookies
from app.infrastructure.form.token import FIELD, is_secret, new_secret, new_token

from .assets import VERSION, Assets
from .extension import PageFolder, PageLink

HEADERS = {
    # Nothing inside the page, and nothing of others.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    # With the service's own, `no-referrer`, browsers send `Origin: null` with a form.
    "referrer-policy": "same-origin",
}

COOKIE = "csrf"
_NOTICE = "notice"
# It is read by the very next request.
_NOTICE_SECONDS = 60


def environment(folders: Sequence[PageFolder], *, deployed: bool) -> Environment:
    return Environment(
        loader=ChoiceLoader([FileSystemLoader(it.path / "templates") for it in folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=not deployed,
        # The project's own template engine, which wrote these files, has the usual ones.
        block_start_string="[%",
        block_end_string="%]",
        variable_start_string="[[",
        variable_end_string="]]",
        comment_start_string="[#",
        comment_end_string="#]",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What all pages have in common."""

    templates: Environment
    assets: Assets
    cookies: HostCookies
    links: Sequence[PageLink]


class Pages:
    """Renders the answer to one request.

    Addresses are relative, so that pages also work behind a proxy that adds a path prefix.
    """

    def __init__(self, site: Site, request: Request) -> None:
        self._site = site
        self._request = request
        self._secret: str | None = None

    def render(
        self,
        template: str,
        *,
        status: int = HTTPStatus.OK,
        headers: Mapping[str, str] | None = None,
        **values: Any,  # noqa: ANN401 (whatever the template shows)
    ) -> Response:
        """A page; `values` are escaped where the template shows them."""
        cookies, notice = self._site.cookies, self._notice()
        app = self._request.app
        common = {
            "title": app.title,
            "description": app.description,
            "links": self._site.links,
            "notice": notice,
            "link": self.link,
            "asset": self.asset,
            "csrf_field": self.csrf_field,
        }
        text = self._site.templates.get_template(template).render(common | values)
        response = HTMLResponse(text, int(status), {**HEADERS, **(headers or {})})
        if self._secret is not None:
            cookies.set(response, COOKIE, self._secret)
        if notice:
            cookies.clear(response, _NOTICE)
        return response

    def redirect(self, path: str, *, notice: str = "") -> Response:
        """After a form, so that loading the page again does not send it again.

        The page that comes next shows `notice`, a short text, once.
        """
        response = RedirectResponse(self.link(path), int(HTTPStatus.SEE_OTHER), HEADERS)
        if notice:
            value = quote(notice, safe="")
            self._site.cookies.set(response, _NOTICE, value, max_age=_NOTICE_SECONDS)
        return response

    def link(self, path: str) -> str:
        """The address of a path of this service."""
        scope = self._request.scope
        own = route_path(scope)
        return "../" * (own.count("/") - 1) + path.lstrip("/") or "./"

    def asset(self, name: str) -> str:
        """The address of a static file; it changes with the content."""
        return self.link(f"static/{name}?{VERSION}={self._site.assets.version(name)}")

    def csrf_field(self) -> Markup:
        """What every form has in it; without it the form is refused."""
        if self._secret is None:
            kept = self._site.cookies.read(self._request, COOKIE)
            self._secret = kept if kept is not None and is_secret(kept) else new_secret()
        return Markup('<input type="hidden" name="{}" value="{}">').format(
            FIELD, new_token(self._secret)
        )

    def _notice(self) -> str:
        if self._request.method != "GET":
            return ""
        return unquote(self._site.cookies.read(self._request, _NOTICE) or "")
