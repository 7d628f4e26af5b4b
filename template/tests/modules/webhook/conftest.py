import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.extensions import Extensions
from app.infrastructure.celery.errors import BrokerUnreachableError
from app.infrastructure.celery.queue import Sender, TaskQueue
from app.infrastructure.celery.settings import CelerySettings
from app.infrastructure.celery.tasks import Task, TaskMessage
from app.infrastructure.database.database import Database
from app.modules.user.models import User
from app.modules.webhook.delivery import Attempt, Courier
from app.modules.webhook.listeners import ACCOUNT_NOTICE, AccountNotice
from app.modules.webhook.models import WebhookDelivery, WebhookEndpoint
from app.modules.webhook.sending import Webhooks
from app.modules.webhook.settings import WebhookSettings
from tests.fixtures.auth import create_user
from tests.infrastructure.http_client.servers import reply

from .receiver import Receiver

NOTICE = AccountNotice(name="tea_ready", subject="Tea", text="It is ready, for 2 £.")


class Shelf(Sender):
    """Keeps what is sent, and does not do it; or takes nothing."""

    def __init__(self, *, is_down: bool = False) -> None:
        self.messages: list[TaskMessage] = []
        self.is_down = is_down

    async def send(self, message: TaskMessage) -> None:
        if self.is_down:
            raise BrokerUnreachableError("OSError") from OSError()
        self.messages.append(message)

    async def ping(self) -> None: ...

    async def aclose(self) -> None: ...


def queue_on(shelf: Shelf, state: dict[str, Any]) -> TaskQueue:
    """Knows the tasks alone: another feature might keep the messages."""
    return TaskQueue(
        shelf, state["database"], Extensions(state["extensions"].of(Task)), CelerySettings()
    )


@pytest.fixture(scope="session")
async def _receiver(webhook_socket: socket.socket) -> AsyncGenerator[Receiver]:
    receiver = Receiver(port=webhook_socket.getsockname()[1])
    server = await asyncio.start_server(receiver.talk, sock=webhook_socket.dup())
    yield receiver
    server.close()
    await receiver.hang_up()


@pytest.fixture
def receiver(_receiver: Receiver) -> Receiver:
    """It answers 200 unless told otherwise."""
    _receiver.answers(reply())
    _receiver.received.clear()
    return _receiver


@pytest.fixture
def courier(state: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Courier:
    """What is set here is undone after the test."""
    courier: Courier = state["webhook_courier"]
    for name in ("settings", "box", "admits", "events"):
        monkeypatch.setattr(courier, name, getattr(courier, name))
    return courier


@pytest.fixture
def adjust(courier: Courier) -> Callable[..., None]:
    """Replaces settings of `WEBHOOK_*` for one test."""

    def adjust(**changes: object) -> None:
        courier.settings = WebhookSettings.model_validate(changes)

    return adjust


@pytest.fixture
def tell(state: dict[str, Any], user: User) -> Callable[..., Awaitable[None]]:
    """Something happens to `user`."""
    webhooks: Webhooks = state["webhooks"]

    async def tell(*, then: Exception | None = None) -> None:
        async with state["database"].transaction() as session:
            await webhooks.send(session, user.id, ACCOUNT_NOTICE, NOTICE)
            if then is not None:
                raise then

    return tell


@pytest.fixture
def sweep(state: dict[str, Any], courier: Courier) -> Callable[..., Awaitable[int]]:
    """Do what is due a while from now; how much that was."""

    async def sweep(after: timedelta = timedelta(days=3)) -> int:
        async with state["database"].transaction() as session:
            now = datetime.now(UTC) + after
            return await courier.sweep(session, state["task_queue"], now)

    return sweep


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Sequence[str]]:
    """What hosts mean, instead of what the machine's name servers say; others are unknown."""
    names: dict[str, Sequence[str]] = {}
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *options: Any, **named: Any) -> Any:  # noqa: ANN401
        if isinstance(host, str) and host.endswith((".example.com", ".invalid")):
            if host not in names:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return [it for number in names[host] for it in real(number, port, *options, **named)]
        return real(host, port, *options, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return names


async def register(client: AsyncClient, receiver: Receiver, **values: object) -> dict[str, Any]:
    """The endpoint of whom the client is logged in as, with its secret."""
    body = {"url": receiver.hook, "event_types": ["account.notice"], **values}
    response = await client.post("webhooks", json=body)
    assert response.status_code == 201, response.text
    registered: dict[str, Any] = response.json()
    assert response.headers["location"] == f"/api/v1/webhooks/{registered['id']}"
    return registered


async def log_of(client: AsyncClient, endpoint: dict[str, Any]) -> list[dict[str, Any]]:
    """Its deliveries, newest first."""
    page = (await client.get(f"webhooks/{endpoint['id']}/deliveries")).json()
    data: list[dict[str, Any]] = page["data"]
    assert page["total_count"] == len(data)
    return data


async def row_of(session: AsyncSession, model: Any, row_id: str) -> Any:  # noqa: ANN401
    """As it is in the database now."""
    return await session.get(model, UUID(row_id), populate_existing=True)


async def pending(database: Database, courier: Courier) -> Attempt:
    """The first attempt of a delivery that nobody has sent."""
    async with database.write_sessions() as session:
        user = await create_user(session)
        endpoint = WebhookEndpoint(
            user_id=user.id, url="http://127.0.0.1/", event_types=["account.notice"], secret=b""
        )
        session.add(endpoint)
        await session.flush()
        endpoint.secret = courier.box.seal("whsec_MTIz", endpoint.id)
        delivery = WebhookDelivery(
            endpoint_id=endpoint.id,
            event_id=endpoint.id,
            event_type="account.notice",
            body="{}",
            next_attempt_at=datetime.now(UTC) + timedelta(minutes=5),
        )
        session.add(delivery)
        await session.commit()
    return Attempt(delivery_id=delivery.id, number=1)
