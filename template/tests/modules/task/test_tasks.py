from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from httpx2 import AsyncClient
from pydantic import BaseModel, JsonValue
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from app.core.extensions import Extensions
from app.core.feature import Feature
from app.core.routing import API_PREFIX
from app.infrastructure.celery.errors import BrokerUnreachableError
from app.infrastructure.celery.execution import TaskRunner
from app.infrastructure.celery.queue import Sender, TaskQueue
from app.infrastructure.celery.settings import CelerySettings
from app.infrastructure.celery.tasks import TaskContext, TaskListener, TaskMessage, task
from app.infrastructure.database.purge import Purge
from app.modules.task.dependencies import TaskStarterDep, accepted
from app.modules.task.models import UserTask
from app.modules.task.privacy import TasksData
from app.modules.task.schemas import TaskAccepted
from app.modules.user.models import User
from tests.fixtures.auth import create_user, log_in
from tests.support import client_of

pytestmark = pytest.mark.anyio


class Tea(BaseModel):
    cups: int


@task("tea.brew", Tea)
async def brew(_: TaskContext, payload: Tea) -> JsonValue:
    if payload.cups > 9:
        raise OverflowError("hunter2")
    return {"cups": payload.cups}


router = APIRouter()


@router.post("/teas", status_code=202, response_model=TaskAccepted)
async def brew_tea(
    tasks: TaskStarterDep, data: Tea, request: Request, response: Response
) -> UserTask:
    return accepted(request, response, await tasks.start(brew, data))


class Shelf(Sender):
    """Keeps what is sent until the test does it."""

    def __init__(self) -> None:
        self.messages: list[TaskMessage] = []
        self.is_down = False

    async def send(self, message: TaskMessage) -> None:
        if self.is_down:
            raise BrokerUnreachableError("OSError") from OSError()
        self.messages.append(message)

    async def ping(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


@pytest.fixture
def shelf(state: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Shelf:
    shelf = Shelf()
    extensions = Extensions([brew, *state["extensions"].of(TaskListener)])
    queue = TaskQueue(shelf, state["database"], extensions, CelerySettings())
    monkeypatch.setitem(state, "task_queue", queue)
    return shelf


@pytest.fixture
def do(state: dict[str, Any], shelf: Shelf) -> Callable[[], Any]:
    """Do the oldest task on the shelf."""

    async def run() -> None:
        extensions = Extensions([brew, *state["extensions"].of(TaskListener)])
        runner = TaskRunner({**state, "extensions": extensions}, CelerySettings())
        with capture_logs():
            await runner.run(shelf.messages.pop(0), 1)

    return run


@pytest.fixture(scope="module")
def tea_app(settings: Settings) -> FastAPI:
    tea = Feature(name="tea", routers=(router,), extensions=(brew,))
    return create_app(settings, [*enabled_features(settings), tea])


@pytest.fixture
async def tea_client(
    tea_app: FastAPI, state: dict[str, Any], user: User, shelf: Shelf
) -> AsyncGenerator[AsyncClient]:
    assert shelf.messages == []
    async with client_of(tea_app, state) as client:
        yield await log_in(client, state, user)


async def start(client: AsyncClient, cups: int = 2) -> str:
    response = await client.post("teas", json={"cups": cups})
    assert response.status_code == 202, response.text
    assert response.headers["location"] == f"{API_PREFIX}/tasks/{response.json()['id']}"
    assert response.json()["status"] == "queued"
    return str(response.json()["id"])


class TestStart:
    async def test_answers_where_to_follow_the_task(
        self, tea_client: AsyncClient, do: Callable[[], Any]
    ) -> None:
        task_id = await start(tea_client)
        before = (await tea_client.get(f"tasks/{task_id}")).json()
        await do()
        after = (await tea_client.get(f"tasks/{task_id}")).json()

        assert (before["status"], before["result"], before["started_at"]) == ("queued", None, None)
        assert (after["status"], after["result"]) == ("succeeded", {"cups": 2})
        assert after["started_at"] <= after["finished_at"] < after["expires_at"]

    async def test_says_so_when_it_could_not_be_sent(
        self, tea_client: AsyncClient, shelf: Shelf
    ) -> None:
        shelf.is_down = True
        with capture_logs():
            task_id = await start(tea_client)

        body = (await tea_client.get(f"tasks/{task_id}")).json()
        assert (body["status"], body["error_code"]) == ("failed", "task.broker_unreachable")

    async def test_shows_a_failure_without_its_text(
        self, tea_client: AsyncClient, do: Callable[[], Any]
    ) -> None:
        task_id = await start(tea_client, cups=10)
        with pytest.raises(OverflowError):
            await do()

        response = await tea_client.get(f"tasks/{task_id}")
        assert (response.json()["status"], response.json()["error_code"]) == (
            "failed",
            "task.failed",
        )
        assert "hunter2" not in response.text


class TestRead:
    async def test_lists_ones_own_newest_first(self, tea_client: AsyncClient) -> None:
        ids = [await start(tea_client) for _ in range(3)]

        first = (await tea_client.get("tasks", params={"limit": 2})).json()
        cursor = first["next_cursor"]
        second = (await tea_client.get("tasks", params={"limit": 2, "cursor": cursor})).json()

        assert [item["id"] for item in first["data"] + second["data"]] == ids[::-1]
        assert second["next_cursor"] is None

    async def test_hides_those_of_others(
        self, tea_client: AsyncClient, superuser_client: AsyncClient
    ) -> None:
        task_id = await start(tea_client)

        answers = [
            await superuser_client.get(f"tasks/{task_id}"),
            await superuser_client.post(f"tasks/{task_id}/cancel"),
            await tea_client.get(f"tasks/{uuid7()}"),
        ]

        assert [answer.status_code for answer in answers] == [404, 404, 404]
        assert {answer.json()["type"] for answer in answers} == {"urn:problem:task.not_found"}
        assert (await superuser_client.get("tasks")).json()["data"] == []

    async def test_is_for_who_is_logged_in(self, client: AsyncClient) -> None:
        assert (await client.get("tasks")).status_code == 401


class TestCancel:
    async def test_keeps_a_queued_task_from_running(
        self, tea_client: AsyncClient, do: Callable[[], Any]
    ) -> None:
        task_id = await start(tea_client)

        cancelled = await tea_client.post(f"tasks/{task_id}/cancel")
        await do()

        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
        body = (await tea_client.get(f"tasks/{task_id}")).json()
        assert (body["status"], body["result"]) == ("cancelled", None)

    async def test_of_one_that_is_over_is_refused(
        self, tea_client: AsyncClient, do: Callable[[], Any]
    ) -> None:
        task_id = await start(tea_client)
        await do()

        response = await tea_client.post(f"tasks/{task_id}/cancel")

        assert (response.status_code, response.json()["type"]) == (409, "urn:problem:task.over")

    async def test_keeps_nothing_of_a_running_one(
        self, tea_client: AsyncClient, state: dict[str, Any], shelf: Shelf
    ) -> None:
        task_id = await start(tea_client)
        (listener,) = state["extensions"].of(TaskListener)
        message = shelf.messages[0]
        async with state["database"].transaction() as session:
            assert await listener.starting(session, message)
            assert not await listener.is_cancelled(session, message)

        assert (await tea_client.post(f"tasks/{task_id}/cancel")).status_code == 200

        async with state["database"].transaction() as session:
            assert await listener.is_cancelled(session, message)
            assert not await listener.finishing(session, message, {"cups": 2})
            await listener.failing(session, message, "late")
        body = (await tea_client.get(f"tasks/{task_id}")).json()
        assert (body["status"], body["error_code"]) == ("cancelled", None)


async def stored(session: AsyncSession, user_id: UUID) -> int:
    statement = select(func.count()).select_from(UserTask).where(UserTask.user_id == user_id)
    return int(await session.scalar(statement) or 0)


class TestPurge:
    async def test_forgets_what_has_expired(
        self, tea_client: AsyncClient, session: AsyncSession, state: dict[str, Any], user: User
    ) -> None:
        old, _ = [await start(tea_client) for _ in range(2)]
        past = datetime.now(UTC) - timedelta(seconds=1)
        await session.execute(
            update(UserTask).where(UserTask.id == UUID(old)).values(expires_at=past)
        )
        await session.commit()
        (item,) = (it for it in state["extensions"].of(Purge) if it.name == "user_tasks")

        assert await item.purge(session, datetime.now(UTC)) == 1
        assert await stored(session, user.id) == 1


class TestPersonalData:
    async def test_is_exported_and_erased_with_what_still_runs(
        self,
        tea_client: AsyncClient,
        session: AsyncSession,
        user: User,
        do: Callable[[], Any],
    ) -> None:
        other = await create_user(session)
        task_id = await start(tea_client)

        exported = await TasksData().export(session, user.id)
        assert isinstance(exported, list)
        assert [item["id"] for item in exported if isinstance(item, dict)] == [task_id]
        assert await TasksData().export(session, other.id) == []

        await TasksData().erase(session, user.id)
        await session.commit()
        await do()
        assert await stored(session, user.id) == 0
