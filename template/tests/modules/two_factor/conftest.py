from typing import Any

import pytest
from httpx2 import AsyncClient

from app.modules.user.models import User

from .phone import Clock, Phone


@pytest.fixture
def clock(state: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time that codes and challenges go by; it stands still unless a test moves it."""
    clock = Clock()
    monkeypatch.setattr(state["two_factor"], "clock", clock)
    return clock


@pytest.fixture
async def phone(user_client: AsyncClient, user: User, clock: Clock) -> Phone:
    """That of `user`, whose second factor is on; the code of the present step is used up."""
    return await Phone.set_up(user_client, user, clock)
