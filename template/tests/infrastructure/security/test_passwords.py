import pytest
from argon2 import PasswordHasher as Argon2
from pydantic import SecretStr

from app.infrastructure.security.passwords import PasswordHasher

pytestmark = pytest.mark.anyio

RIGHT = SecretStr("correct horse battery")
WRONG = SecretStr("wrong horse battery")


@pytest.fixture(scope="module")
def hasher() -> PasswordHasher:
    return PasswordHasher()


async def test_knows_the_password_again(hasher: PasswordHasher) -> None:
    hashed = await hasher.hash(RIGHT)

    assert await hasher.verify(RIGHT, hashed) == (True, None)
    assert await hasher.verify(WRONG, hashed) == (False, None)


async def test_nobody_has_no_password(hasher: PasswordHasher) -> None:
    nobodys = SecretStr("the password of no account")

    assert (await hasher.verify(nobodys, None))[0] is False


async def test_offers_a_better_hash(hasher: PasswordHasher) -> None:
    weak = Argon2(time_cost=1, memory_cost=8, parallelism=1).hash(RIGHT.get_secret_value())

    is_right, better = await hasher.verify(RIGHT, weak)

    assert is_right
    assert better is not None
    assert better.startswith("$argon2id$")
