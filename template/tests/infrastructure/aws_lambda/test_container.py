import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from contextvars import ContextVar

import pytest

from app.bootstrap.lifespan import open_features
from app.core.feature import Feature, State
from app.infrastructure.aws_lambda.container import Container

current: ContextVar[str] = ContextVar("current", default="none")


class Diary:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tasks: list[object] = []

    def feature(self, name: str) -> Feature:
        @asynccontextmanager
        async def lifespan(_: State) -> AsyncGenerator[State]:
            self.lines.append(f"open {name}")
            self.tasks.append(asyncio.current_task())
            yield {name: "open"}
            self.tasks.append(asyncio.current_task())
            self.lines.append(f"close {name}")

        @asynccontextmanager
        async def serving(_: State) -> AsyncGenerator[None]:
            self.lines.append(f"beside {name}")
            yield

        async def settle(state: State) -> None:
            self.lines.append(f"settle {name}, {state[name]}")

        return Feature(name=name, lifespan=lifespan, serving=serving, settle=settle)

    async def job(self, state: State) -> str:
        self.lines.append(f"job, {state['tea']}")
        return "done"


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def container(diary: Diary) -> Generator[Container]:
    features = [diary.feature("tea"), diary.feature("milk")]
    container = Container(features, open_features(features, serves=True, rests=True))
    yield container
    container.close()


class TestContainer:
    def test_opens_once_and_settles_each_time(self, container: Container, diary: Diary) -> None:
        assert [container.run(diary.job), container.run(diary.job)] == ["done", "done"]

        each = ["job, open", "settle milk, open", "settle tea, open"]
        assert diary.lines == ["open tea", "open milk", *each, *each]

    def test_closes_in_the_task_that_has_opened(self, diary: Diary) -> None:
        features = [diary.feature("tea")]
        container = Container(features, open_features(features, serves=True, rests=True))
        container.close()

        assert diary.lines == ["open tea", "close tea"]
        assert diary.tasks[0] is diary.tasks[1]

    def test_tells_what_could_not_be_opened(self) -> None:
        @asynccontextmanager
        async def failing() -> AsyncGenerator[State]:
            raise ConnectionError("no tea")
            yield {}

        with pytest.raises(ConnectionError, match="no tea"):
            Container([], failing())

    def test_keeps_nothing_of_one_job_for_the_next(self, container: Container) -> None:
        async def job(_: State) -> str:
            before = current.get()
            current.set("a request")
            return before

        assert [container.run(job), container.run(job)] == ["none", "none"]

    def test_settles_after_a_failure(self, container: Container, diary: Diary) -> None:
        async def job(_: State) -> None:
            raise ConnectionError

        with pytest.raises(ConnectionError):
            container.run(job)
        assert diary.lines[-1] == "settle tea, open"

    def test_answers_though_something_does_not_settle(
        self, diary: Diary, capsys: pytest.CaptureFixture[str]
    ) -> None:
        async def settle(_: State) -> None:
            raise ConnectionError

        features = [diary.feature("tea"), Feature(name="late", settle=settle)]
        container = Container(features, open_features(features))

        assert container.run(diary.job) == "done"
        assert diary.lines[-1] == "settle tea, open"
        assert "not settled" in capsys.readouterr().out
        container.close()
