import pytest
from pydantic import SecretStr

from app.modules.user.errors import WeakPasswordError
from app.modules.user.passwords import check_password

ABOUT = ("Ada Lovelace", "countess", "ada.king@example.com")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "aaaaaaaaaaab",
        "Ada likes her engine",
        "countess of something",
        "Ünïcödé wörds ärè fine",
        "            -",
    ],
)
def test_length_is_enough(password: str) -> None:
    check_password(SecretStr(password), *ABOUT)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("123456789012", "is a row of the alphabet or the keyboard"),
        ("321098765432", "is a row of the alphabet or the keyboard"),
        ("QwertyUiopAs", "is a row of the alphabet or the keyboard"),
        ("zyxwvutsrqponm", "is a row of the alphabet or the keyboard"),
        ("1qaz2wsx3edc", "is one that many people use"),
        ("DragonFly!1999", "is one that many people use"),
        ("2024-password-2024", "is one that many people use"),
        ("Ada Lovelace", "is made from your name or address"),
        ("lovelace1815!", "is made from your name or address"),
        ("countess12345", "is made from your name or address"),
        ("Ada.King@example.com", "is made from your name or address"),
    ],
)
def test_what_is_tried_first_is_refused(password: str, reason: str) -> None:
    with pytest.raises(WeakPasswordError) as caught:
        check_password(SecretStr(password), *ABOUT)

    assert caught.value.detail == (
        f"The password {reason}. Choose another one: a few random words do well."
    )
