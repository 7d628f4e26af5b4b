import re

import pytest

from app.modules.oauth.naming import another_username, name_of, username_of
from app.modules.oauth.providers import Identity
from app.modules.user.schemas import UserCreateInternal


def identity(name: str | None, email: str = "x@example.com") -> Identity:
    return Identity(subject="1", name=name, email=email)


@pytest.mark.parametrize(
    ("name", "email", "username"),
    [
        ("Ada Lovelace", "a@example.com", "ada_lovelace"),
        ("  José   Ángel ", "a@example.com", "jose_angel"),
        ("O'Neil-Smith", "a@example.com", "o_neil_smith"),
        ("李小龍", "bruce.lee@example.com", "bruce_lee"),
        ("12345", "ada@example.com", "ada"),
        ("Admin", "ada@example.com", "ada"),
        ("A", "ada@example.com", "ada"),
        (None, "ada+shop@example.com", "ada_shop"),
        ("a" * 40, "ada@example.com", "a" * 32),
    ],
)
def test_a_username_comes_from_the_name_or_the_address(
    name: str | None, email: str, username: str
) -> None:
    assert username_of(identity(name, email)) == username


def test_a_username_is_made_up_where_neither_will_do() -> None:
    assert re.fullmatch(r"user_[0-9a-f]{10}", username_of(identity("李小龍", "1@example.com")))


def test_another_username_fits_too() -> None:
    another = another_username("a" * 32)

    assert re.fullmatch(r"a{21}_[0-9a-f]{10}", another)
    assert another != another_username("a" * 32)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("  Ada\n\tLovelace\x00 ", "Ada Lovelace"),
        ("Ada\ud800Lovelace", "Ada Lovelace"),
        ("x" * 29 + " yz", "x" * 29),
        ("A", "fallback"),
        ("", "fallback"),
        (None, "fallback"),
    ],
)
def test_a_name_is_made_to_fit(name: str | None, shown: str) -> None:
    assert name_of(identity(name), "fallback") == shown


@pytest.mark.parametrize("name", ["<script>", "\u202eadA", "🙂🙂", "a" * 500, "\x7f", " ", None])
def test_whatever_a_provider_says_makes_an_account(name: str | None) -> None:
    somebody = identity(name)
    username = username_of(somebody)

    UserCreateInternal(
        name=name_of(somebody, username),
        username=username,
        email="x@example.com",
        hashed_password=None,
    )
