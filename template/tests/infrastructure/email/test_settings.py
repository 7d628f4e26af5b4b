import pytest
from pydantic import SecretStr, ValidationError

from app.infrastructure.email.message import Mailbox
from app.infrastructure.email.settings import EmailSettings, SmtpSecurity

COMPLETE = {
    "sender": "My Shop <shop@example.com>",
    "link_url": "https://app.example.com",
    "smtp_host": "smtp.example.com",
    "smtp_username": "shop",
    "smtp_password": "hunter2",
}
HOST_REFUSAL = "EMAIL_SMTP_HOST must name a mail server: without it no mail is sent."
SENDER_REFUSAL = "EMAIL_SENDER must be set, for example to My Shop <shop@example.com>."
LINK_REFUSAL = (
    "EMAIL_LINK_URL must be the https:// address of the pages that links in mails lead to, for "
    "example https://app.example.com."
)
SECURITY_REFUSAL = (
    "EMAIL_SMTP_SECURITY=none sends EMAIL_SMTP_PASSWORD for all to read: unset one of them."
)

PORT_465 = (
    "Port 465 speaks TLS from the start: set EMAIL_SMTP_SECURITY=tls, or another EMAIL_SMTP_PORT."
)
PORT_587 = "EMAIL_SMTP_SECURITY=tls does not work on port 587: set EMAIL_SMTP_PORT, usually to 465."


def problem(**values: object) -> str:
    with pytest.raises(ValidationError) as caught:
        EmailSettings.model_validate(values)
    (error,) = caught.value.errors()
    assert "hunter2" not in str(caught.value)
    return error["msg"].removeprefix("Value error, ")


class TestSender:
    @pytest.mark.parametrize(
        ("given", "understood"),
        [
            ("shop@example.com", Mailbox("shop@example.com", "")),
            ("My Shop <shop@example.com>", Mailbox("shop@example.com", "My Shop")),
            ('"Shop, Inc." <shop@example.com>', Mailbox("shop@example.com", "Shop, Inc.")),
            ("Käse & Co <a@käse.example>", Mailbox("a@xn--kse-qla.example", "Käse & Co")),
        ],
    )
    def test_is_an_address_with_or_without_a_name(self, given: str, understood: Mailbox) -> None:
        assert EmailSettings(sender=given).sender_mailbox == understood

    @pytest.mark.parametrize(
        "given",
        ["shop", "@example.com", "Shop, Inc. <shop@example.com>", "a@b.example, c@d.example"],
    )
    def test_is_refused_otherwise(self, given: str) -> None:
        assert problem(sender=given) == (
            'must be "Name" <address> or an address, for example My Shop <shop@example.com>'
        )


class TestLinkUrl:
    @pytest.mark.parametrize("given", ["https://a.example/app/", "https://a.example/app"])
    def test_may_have_a_path(self, given: str) -> None:
        assert EmailSettings(link_url=given).link_url == "https://a.example/app"

    @pytest.mark.parametrize(
        "given",
        [
            "app.example.com",
            "ftp://app.example.com",
            "https://",
            "https:///path",
            "https://ada:hunter2@app.example.com",
            "https://app.example.com?a=b",
            "https://app.example.com#a",
            "https://app.example.com/a b",
            "https://app.example.com/\n",
        ],
    )
    def test_is_refused_otherwise(self, given: str) -> None:
        assert problem(link_url=given) == (
            "must be the start of an address, such as https://app.example.com"
        )


class TestCombinations:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"sender": None}, "EMAIL_SMTP_HOST is set: set EMAIL_SENDER as well."),
            ({"smtp_host": None}, "EMAIL_SMTP_USERNAME is set: set EMAIL_SMTP_HOST as well."),
            (
                {"smtp_username": None},
                "EMAIL_SMTP_USERNAME and EMAIL_SMTP_PASSWORD go together: set both or neither.",
            ),
            (
                {"smtp_password": None},
                "EMAIL_SMTP_USERNAME and EMAIL_SMTP_PASSWORD go together: set both or neither.",
            ),
            ({"smtp_port": 465}, PORT_465),
            ({"smtp_security": "tls"}, PORT_587),
        ],
    )
    def test_that_cannot_work_are_refused(self, values: dict[str, object], message: str) -> None:
        assert problem(**COMPLETE | values) == message

    def test_are_refused_all_at_once(self) -> None:
        message = problem(smtp_host="smtp.example.com", smtp_username="shop", smtp_port=465)

        assert [line.split(" ")[0] for line in message.splitlines()] == [
            "EMAIL_SMTP_HOST",
            "EMAIL_SMTP_USERNAME",
            "Port",
        ]

    @pytest.mark.parametrize(
        "values",
        [
            {},
            {"smtp_port": 465, "smtp_security": "tls"},
            {"smtp_port": 2525},
            {"smtp_username": None, "smtp_password": None, "smtp_security": "none"},
        ],
    )
    def test_that_can_are_not(self, values: dict[str, object]) -> None:
        EmailSettings.model_validate(COMPLETE | values)


class TestRefusals:
    def test_are_none_where_all_is_set(self) -> None:
        assert EmailSettings.model_validate(COMPLETE).refusals() == []

    def test_are_the_stand_ins(self) -> None:
        assert EmailSettings().refusals() == [HOST_REFUSAL, SENDER_REFUSAL, LINK_REFUSAL]

    def test_include_a_link_without_tls(self) -> None:
        settings = EmailSettings.model_validate(COMPLETE | {"link_url": "http://app.example.com"})

        assert settings.refusals() == [LINK_REFUSAL]

    def test_include_a_password_without_tls(self) -> None:
        settings = EmailSettings.model_validate(COMPLETE | {"smtp_security": "none"})

        assert settings.refusals() == [SECURITY_REFUSAL]

    def test_leave_a_relay_without_a_password_alone(self) -> None:
        settings = EmailSettings(
            sender="shop@example.com",
            link_url="https://app.example.com",
            smtp_host="localhost",
            smtp_security=SmtpSecurity.NONE,
        )

        assert settings.refusals() == []


def test_masks_the_password() -> None:
    assert "hunter2" not in repr(EmailSettings.model_validate(COMPLETE))
    assert EmailSettings.model_validate(COMPLETE).smtp_password == SecretStr("hunter2")
