from dataclasses import replace
from html import unescape

import pytest

from app.infrastructure.email.templates import ActionEmail, Button, EmailTemplates

ACTION = ActionEmail(
    to="ada@example.com",
    name="Ada",
    subject="Confirm your address",
    paragraphs=("You have registered.", "One step is left."),
    button=Button(label="Confirm", url="https://app.example.com/verify?token=a%2Bb&next=home"),
    note="The link works for a day.",
)
HOSTILE = "<script>alert('&')</script> [[ title ]]"


@pytest.fixture
def templates() -> EmailTemplates:
    return EmailTemplates(title="Kettles & Co", link_url="https://app.example.com/shop")


class TestLink:
    @pytest.mark.parametrize("path", ["/verify", "verify"])
    def test_is_below_the_base(self, templates: EmailTemplates, path: str) -> None:
        assert templates.link(path) == "https://app.example.com/shop/verify"

    def test_quotes_its_parameters(self, templates: EmailTemplates) -> None:
        assert templates.link("/verify", token="a+b&c", email="ö@x.example") == (
            "https://app.example.com/shop/verify?token=a%2Bb%26c&email=%C3%B6%40x.example"
        )


class TestText:
    def test_reads_like_a_letter(self, templates: EmailTemplates) -> None:
        assert templates.render(ACTION).text == (
            "Hello Ada,\n\n"
            "You have registered.\n\n"
            "One step is left.\n\n"
            "Confirm:\nhttps://app.example.com/verify?token=a%2Bb&next=home\n\n"
            "The link works for a day.\n\n"
            "Kettles & Co"
        )

    def test_leaves_out_what_there_is_not(self, templates: EmailTemplates) -> None:
        bare = replace(ACTION, name="", button=None, note="", paragraphs=["Hi."])

        assert templates.render(bare).text == "Hello,\n\nHi.\n\nKettles & Co"

    def test_is_what_was_written(self, templates: EmailTemplates) -> None:
        assert HOSTILE in templates.render(replace(ACTION, paragraphs=[HOSTILE])).text


class TestHtml:
    def test_has_what_the_text_has(self, templates: EmailTemplates) -> None:
        html = unescape(templates.render(ACTION).html)

        for text in ("Confirm your address", "Hello Ada,", *ACTION.paragraphs, ACTION.note):
            assert text in html
        assert "Kettles & Co</td>" in html

    def test_has_the_link_on_a_button_and_to_read(self, templates: EmailTemplates) -> None:
        html = templates.render(ACTION).html
        url = "https://app.example.com/verify?token=a%2Bb&amp;next=home"

        assert html.count(f'href="{url}"') == 2
        assert f">{url}</a>" in html
        assert ">Confirm</a>" in html

    def test_leaves_out_what_there_is_not(self, templates: EmailTemplates) -> None:
        html = templates.render(replace(ACTION, name="", button=None, note="")).html

        assert "Hello," in html
        assert "<a " not in html

    def test_escapes_what_is_not_its_own(self, templates: EmailTemplates) -> None:
        hostile = replace(
            ACTION,
            name=HOSTILE,
            subject=HOSTILE,
            paragraphs=[HOSTILE],
            button=Button(label=HOSTILE, url='https://x.example/"onclick="alert()'),
            note=HOSTILE,
        )
        html = templates.render(hostile).html

        assert "<script" not in html
        assert '"onclick' not in html
        assert html.count("[[ title ]]") == 6

    def test_loads_nothing(self, templates: EmailTemplates) -> None:
        """Pictures and styles from elsewhere are blocked, or tell that a mail was opened."""
        html = templates.render(replace(ACTION, button=None)).html

        for loader in ("src=", "url(", "@import", "<link", "http"):
            assert loader not in html


def test_addresses_the_mail(templates: EmailTemplates) -> None:
    email = templates.render(ACTION)

    assert (email.to, email.name) == ("ada@example.com", "Ada")
    assert email.subject == "Confirm your address"
