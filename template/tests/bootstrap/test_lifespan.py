import os
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

import pytest

from app.bootstrap.lifespan import open_features, supervise
from app.core.feature import Feature, Lifespan, Process, State
from app.core.late import Late

pytestmark = pytest.mark.anyio


class Diary:
    """Lifespans that write down when they open and close."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def feature(self, name: str, *, key: str | None = None, fails: bool = False) -> Feature:
        return Feature(name=name, lifespan=self._lifespan(name, key or name, fails=fails))

    def _lifespan(self, name: str, key: str, *, fails: bool) -> Lifespan:
        @asynccontextmanager
        async def opened() -> AsyncGenerator[State]:
            self.lines.append(f"open {name}")
            if fails:
                raise ConnectionError(name)
            try:
                yield {key: f"value of {name}"}
            finally:
                self.lines.append(f"close {name}")

        def lifespan(_: State) -> AbstractAsyncContextManager[State]:
            return opened()

        return lifespan

    def serving(self, name: str) -> Callable[[State], AbstractAsyncContextManager[None]]:
        @asynccontextmanager
        async def serve(state: State) -> AsyncGenerator[None]:
            self.lines.append(f"begin {name}, first is open: {'first' in state}")
            yield
            self.lines.append(f"end {name}")

        return serve


@pytest.fixture
def diary() -> Diary:
    return Diary()


class TestOpenFeatures:
    async def test_opens_in_order_and_closes_in_reverse(self, diary: Diary) -> None:
        features = [diary.feature("first"), Feature(name="none"), diary.feature("second")]
        async with open_features(features) as state:
            assert diary.lines == ["open first", "open second"]
            assert state["first"] == "value of first"
            assert state["second"] == "value of second"

        assert diary.lines == ["open first", "open second", "close second", "close first"]

    async def test_closes_what_is_open_when_a_later_one_fails(self, diary: Diary) -> None:
        features = [
            diary.feature("first"),
            diary.feature("second"),
            diary.feature("third", fails=True),
            diary.feature("fourth"),
        ]
        with pytest.raises(ConnectionError, match="third"):
            async with open_features(features):
                pass  # pragma: no cover

        assert diary.lines == [
            "open first",
            "open second",
            "open third",
            "close second",
            "close first",
        ]

    async def test_closes_all_after_an_error_in_between(self, diary: Diary) -> None:
        with pytest.raises(KeyError, match="request"):
            async with open_features([diary.feature("first"), diary.feature("second")]):
                raise KeyError("request")

        assert diary.lines[2:] == ["close second", "close first"]

    async def test_begins_what_runs_beside_requests_when_all_are_open_and_where_they_are_served(
        self, diary: Diary
    ) -> None:
        features = [
            Feature(name="clock", serving=diary.serving("clock")),
            diary.feature("first"),
        ]
        async with open_features(features):
            assert diary.lines == ["open first"]
        async with open_features(features, serves=True):
            diary.lines.append("serve")

        assert diary.lines[2:] == [
            "open first",
            "begin clock, first is open: True",
            "serve",
            "end clock",
            "close first",
        ]

    async def test_begins_nothing_beside_requests_where_the_process_rests_in_between(
        self, diary: Diary
    ) -> None:
        features = [Feature(name="clock", serving=diary.serving("clock")), diary.feature("first")]
        async with open_features(features, serves=True, rests=True) as state:
            assert state["process"] is Process.SERVICE

        assert diary.lines == ["open first", "close first"]

    @pytest.mark.parametrize(
        ("options", "process"),
        [
            ({}, Process.COMMAND),
            ({"works": True}, Process.WORKER),
            ({"serves": True}, Process.SERVICE),
        ],
    )
    async def test_tells_what_the_process_is_for(
        self, options: dict[str, bool], process: Process
    ) -> None:
        async with open_features([], **options) as state:
            assert state["process"] is process

    @pytest.mark.parametrize(
        ("serves", "rests", "is_made"),
        [(True, False, True), (True, True, False), (False, False, False)],
    )
    async def test_makes_what_is_late_before_a_server_answers(
        self, *, serves: bool, rests: bool, is_made: bool
    ) -> None:
        late = Late(object)

        @asynccontextmanager
        async def lifespan(_: State) -> AsyncGenerator[State]:
            yield {"late": late}

        feature = Feature(name="late", lifespan=lifespan)
        async with open_features([feature], serves=serves, rests=rests):
            assert (late.made is not None) is is_made

    async def test_refuses_two_features_with_one_name_in_the_state(self, diary: Diary) -> None:
        features = [diary.feature("first", key="pool"), diary.feature("second", key="pool")]
        with pytest.raises(RuntimeError, match=r"^second redefines request\.state\.pool$"):
            async with open_features(features):
                pass  # pragma: no cover

        assert diary.lines == ["open first", "open second", "close second", "close first"]


class TestSupervise:
    def test_prepares_what_the_other_processes_find(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KETTLE", "own")
        lines: list[str] = []

        @contextmanager
        def share(process: Process) -> Generator[Mapping[str, str]]:
            lines.append(f"begin for {process.name}")
            yield {"KETTLE": "shared"}
            lines.append("end")

        features = [Feature(name="none"), Feature(name="kettle", supervising=share)]
        with supervise(features, Process.WORKER):
            assert os.environ["KETTLE"] == "shared"
            assert lines == ["begin for WORKER"]

        assert lines == ["begin for WORKER", "end"]

    def test_ends_the_process_if_it_cannot(self) -> None:
        @contextmanager
        def share(_: Process) -> Generator[Mapping[str, str]]:
            raise OSError("no room on the stove")
            yield {}

        feature = Feature(name="kettle", supervising=share)
        with pytest.raises(SystemExit, match="no room"), supervise([feature], Process.SERVICE):
            raise AssertionError
