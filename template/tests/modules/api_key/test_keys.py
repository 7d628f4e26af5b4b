import re
import string
from collections.abc import Callable

import pytest
from pydantic import ValidationError

from app.infrastructure.security.keys import Keyring
from app.infrastructure.security.settings import SecretSettings
from app.modules.api_key.keys import is_well_formed, key_digests, new_key, visible_part
from app.modules.api_key.models import HASH_LENGTH, PREFIX_LENGTH
from app.modules.api_key.settings import ApiKeySettings

LONGEST_WORD = "a123456789"


class TestNewKey:
    def test_has_the_shape_that_scanners_look_for(self) -> None:
        assert re.fullmatch(r"\b[a-z][a-z0-9]{1,9}_[0-9A-Za-z]{46}\b", new_key("sk"))

    def test_is_never_the_same(self) -> None:
        assert len({new_key("sk") for _ in range(100)}) == 100

    def test_uses_every_character(self) -> None:
        used = {character for _ in range(100) for character in new_key("sk")[3:]}

        assert used == set(string.ascii_letters + string.digits)

    def test_keeps_128_bits_to_itself(self) -> None:
        hidden = len(new_key("sk")) - len(visible_part(new_key("sk"))) - len("checks")

        assert 62**hidden > 2**128

    def test_fits_into_its_columns(self) -> None:
        """The longest there can be: one that is too long fails on PostgreSQL alone."""
        key = new_key(LONGEST_WORD)

        assert len(visible_part(key)) <= PREFIX_LENGTH
        (digest,) = key_digests(Keyring(SecretSettings()), key)
        assert len(digest) == HASH_LENGTH


class TestIsWellFormed:
    @pytest.mark.parametrize("word", ["sk", LONGEST_WORD])
    def test_knows_its_own(self, word: str) -> None:
        assert is_well_formed(new_key(word))

    def test_notices_every_mistyped_character(self) -> None:
        key = new_key("sk")
        for place in range(3, len(key)):
            other = "a" if key[place] != "a" else "b"
            assert not is_well_formed(key[:place] + other + key[place + 1 :])

    @pytest.mark.parametrize(
        "change",
        [
            lambda _: "",
            lambda key: key[:-1],
            lambda key: key + "0",
            lambda key: key + "\n",
            lambda key: " " + key,
            lambda key: key.replace("_", "-"),
            lambda key: key.upper(),
            lambda key: "pk" + key[2:],
            lambda key: f"{key}, {key}",
            lambda key: key[:3] + "٣" + key[4:],
        ],
    )
    def test_refuses_everything_else(self, change: Callable[[str], str]) -> None:
        assert not is_well_formed(change(new_key("sk")))


class TestVisiblePart:
    def test_is_the_beginning(self) -> None:
        key = new_key("sk")

        assert visible_part(key) == key[:11]


class TestSettings:
    @pytest.mark.parametrize("prefix", ["", "s", "Sk", "1k", "s_k", "a1234567890", "sk_", "ключ"])
    def test_refuse_a_prefix_that_is_no_short_word(self, prefix: str) -> None:
        with pytest.raises(ValidationError):
            ApiKeySettings(prefix=prefix)
