"""Nothing that somebody keeps secret, or has typed, is in the audit log or in the log."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.modules.audit.models import AuditEvent

pytestmark = pytest.mark.anyio

FIRST = "first secret Kx7 of Ada"
SECOND = "second secret Qz9 of Ada"
WRONG = "wrong secret Wv3 of Ada"
# A password that was typed into the wrong field.
MISTYPED = "mistyped_secret_jf5"
ADA = {"name": "Ada", "username": "ada", "email": "ada@example.com", "password": FIRST}
WARNINGS = {
    "login_failure",
    "account_locked",
    "token_reuse_detected",
    "unauthorized_access",
    "rate_limit_exceeded",
    "password_refused",
}


async def _live(client: AsyncClient) -> list[str]:
    """Everything somebody does with secrets; the tokens that were issued."""
    await client.post("users", json=ADA)
    for username, password in (("ada", WRONG), (MISTYPED, "x"), (f"{MISTYPED}@example.com", "x")):
        await client.post("auth/token", data={"username": username, "password": password})
    login = await client.post("auth/token", data={"username": "ada", "password": FIRST})
    refreshed = await client.post(
        "auth/refresh", json={"refresh_token": login.json()["refresh_token"]}
    )
    client.headers["authorization"] = f"Bearer {login.json()['access_token']}"
    change = {"current_password": FIRST, "new_password": SECOND}
    statuses = [
        (await client.post("auth/confirm", json={"current_password": WRONG})).status_code,
        (await client.post("auth/confirm", json={"current_password": FIRST})).status_code,
        (await client.post("auth/change-password", json=change)).status_code,
        (await client.get("users", params={"search": MISTYPED})).status_code,
        (await client.get("users/me/export")).status_code,
        (await client.post("auth/logout")).status_code,
        (await client.get("users/me")).status_code,
    ]
    assert statuses == [403, 204, 204, 403, 200, 204, 401]
    tokens = [login.json(), refreshed.json()]
    return [item[name] for item in tokens for name in ("access_token", "refresh_token")]


async def test_no_secret_is_recorded(client: AsyncClient, session: AsyncSession) -> None:
    with capture_logs() as lines:
        tokens = await _live(client)

    events = list(await session.scalars(select(AuditEvent)))
    rows = [
        {column.name: getattr(event, column.name) for column in AuditEvent.__table__.columns}
        for event in events
    ]
    everything = json.dumps([rows, lines], default=str)
    names = {event.name for event in events}
    assert names >= {
        "account_registered",
        "login_failure",
        "login_success",
        "token_refresh",
        "password_refused",
        "login_confirmed",
        "password_changed",
        "unauthorized_access",
        "personal_data_exported",
        "logout",
    }
    for secret in (FIRST, SECOND, WRONG, MISTYPED, *tokens):
        assert secret not in everything


async def test_each_event_is_a_line_of_the_right_level(
    client: AsyncClient, session: AsyncSession
) -> None:
    with capture_logs() as lines:
        await _live(client)

    events = list(await session.scalars(select(AuditEvent).order_by(AuditEvent.id)))
    logged: list[Mapping[str, Any]] = [it for it in lines if it["event"] == "security event"]
    assert [line["name"] for line in logged] == [event.name for event in events]
    for line, event in zip(logged, events, strict=True):
        expected = "warning" if event.name in WARNINGS else "info"
        assert (line["log_level"], event.is_warning) == (expected, expected == "warning")
        assert line.get("address") == event.address == "127.0.0.1"
