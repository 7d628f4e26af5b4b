"""What only a race shows, without one."""

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.auth.sessions import LoginSessions
from app.modules.two_factor.errors import AlreadyActiveError
from app.modules.two_factor.service import TwoFactorService
from app.modules.user.models import CurrentUser, User

from .phone import Events

pytestmark = pytest.mark.anyio


@pytest.fixture
def service(session: AsyncSession, state: dict[str, Any]) -> TwoFactorService:
    sessions = LoginSessions(session, state["events"], state["auth_settings"])
    return TwoFactorService(session, state["two_factor"], sessions, state["events"])


async def test_the_second_activation_loses(service: TwoFactorService, user: User) -> None:
    await service.enrol(CurrentUser(*(getattr(user, name) for name in CurrentUser._fields)))
    device = await service.devices.of(user.id)
    assert device is not None
    await service.activate(device, 1, keep=None)

    with pytest.raises(AlreadyActiveError):
        await service.activate(device, 1, keep=None)


async def test_an_activation_loses_to_another_enrolment(
    service: TwoFactorService, user: User
) -> None:
    current = CurrentUser(*(getattr(user, name) for name in CurrentUser._fields))
    await service.enrol(current)
    device = await service.devices.of(user.id)
    assert device is not None
    service.session.expunge(device)
    await service.enrol(current)

    with pytest.raises(AlreadyActiveError):
        await service.activate(device, 1, keep=None)


async def test_switching_off_what_is_off_says_nothing(
    service: TwoFactorService, user: User
) -> None:
    with Events() as events:
        await service.disable(user.id, keep=None)

    assert events.names == []
