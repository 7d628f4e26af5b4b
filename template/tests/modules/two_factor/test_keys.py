"""A SECRET_KEY is replaced, and what it encrypted is not lost."""

from typing import Any

import pytest
from httpx2 import AsyncClient
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.infrastructure.security.keys import Keyring
from app.infrastructure.security.settings import SecretSettings
from app.modules.two_factor.factor import Cipher
from app.modules.two_factor.models import TotpDevice
from app.modules.two_factor.service import encrypt_anew

from .phone import Phone, first_half, second_half

pytestmark = pytest.mark.anyio

NEW = "a new key, made for the tests of keys"


def replace_key(
    state: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *, keep_former: bool
) -> None:
    former: SecretStr = state["former"]
    secret = SecretSettings(key=SecretStr(NEW), previous_keys=(former,) if keep_former else ())
    cipher = Cipher(Keyring(secret).derive("two factor"))
    monkeypatch.setattr(state["two_factor"], "secrets", cipher)


@pytest.fixture
def keyed(state: dict[str, Any], settings: Any) -> dict[str, Any]:  # noqa: ANN401
    return {**state, "former": settings.secret.key}


async def stored(session: AsyncSession) -> str:
    return (await session.scalars(select(TotpDevice.encrypted_secret))).one()


def reads(sealed: str, phone: Phone) -> bool:
    """Whether the new key alone does."""
    cipher = Cipher(Keyring(SecretSettings(key=SecretStr(NEW))).derive("two factor"))
    return cipher.decrypt(sealed, phone.user.id.bytes) == (phone.secret, True)


async def test_what_a_former_key_encrypted_counts_and_is_encrypted_anew_on_use(
    client: AsyncClient,
    phone: Phone,
    keyed: dict[str, Any],
    session: AsyncSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replace_key(keyed, monkeypatch, keep_former=True)
    challenge = await first_half(client, phone.user)
    assert not reads(await stored(session), phone)

    assert (await second_half(client, challenge, phone.next_code())).status_code == 200
    assert reads(await stored(session), phone)


async def test_a_wrong_code_changes_nothing(
    client: AsyncClient,
    phone: Phone,
    keyed: dict[str, Any],
    session: AsyncSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replace_key(keyed, monkeypatch, keep_former=True)
    challenge = await first_half(client, phone.user)
    await second_half(client, challenge, phone.wrong_code())

    assert not reads(await stored(session), phone)


async def test_a_lost_key_refuses_codes_and_leaves_the_recovery_codes(
    client: AsyncClient,
    phone: Phone,
    keyed: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replace_key(keyed, monkeypatch, keep_former=False)
    challenge = await first_half(client, phone.user)

    with capture_logs() as lines:
        refused = await second_half(client, challenge, phone.next_code())
    assert refused.status_code == 401
    assert [line["event"] for line in lines if line["log_level"] == "error"] == [
        "no SECRET_KEY reads a stored secret"
    ]
    response = await second_half(client, challenge, phone.recovery_codes[0])
    assert response.status_code == 200


async def test_everything_can_be_encrypted_anew_at_once(
    phone: Phone, keyed: dict[str, Any], session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_key(keyed, monkeypatch, keep_former=True)

    async with keyed["database"].transaction() as transaction:
        assert await encrypt_anew(transaction, keyed["two_factor"]) == (1, 0)
    async with keyed["database"].transaction() as transaction:
        assert await encrypt_anew(transaction, keyed["two_factor"]) == (0, 0)
    assert reads(await stored(session), phone)
    monkeypatch.setattr(keyed["two_factor"], "secrets", Cipher([b"x" * 32]))
    async with keyed["database"].transaction() as transaction:
        assert await encrypt_anew(transaction, keyed["two_factor"]) == (0, 1)
