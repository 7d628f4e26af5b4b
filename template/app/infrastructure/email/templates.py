from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from .message import Email

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    label: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionEmail:
    """A mail that asks its reader to do one thing, in plain texts: HTML in them is escaped."""

    to: str
    name: str
    subject: str
    """Also the heading."""
    paragraphs: Sequence[str]
    button: Button | None = None
    note: str = ""
    """In small print: how long the link works, what to do when it was not asked for."""


class EmailTemplates:
    """Turns texts into mails that look alike, with the service's name on them."""

    def __init__(self, *, title: str, link_url: str) -> None:
        self.title = title
        self._link_url = link_url

    @cached_property
    def _jinja(self) -> "Environment":
        # Most requests send no mail.
        import jinja2  # noqa: PLC0415 (see above)

        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_FOLDER),
            autoescape=jinja2.select_autoescape(),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            # The project's own template engine, which wrote these files, has the usual ones.
            block_start_string="[%",
            block_end_string="%]",
            variable_start_string="[[",
            variable_end_string="]]",
            comment_start_string="[#",
            comment_end_string="#]",
        )
        environment.globals["title"] = self.title
        return environment

    def link(self, path: str, **parameters: str) -> str:
        """The address of a page below EMAIL_LINK_URL: `link("/verify", token=token)`."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        return f"{self._link_url}/{path.lstrip('/')}{query}"

    def render(self, email: ActionEmail) -> Email:
        values = asdict(email)
        return Email(
            to=email.to,
            name=email.name,
            subject=email.subject,
            text=self._jinja.get_template("action.txt").render(values),
            html=self._jinja.get_template("action.html").render(values),
        )
