import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from typer.testing import CliRunner, Result

from app.cli import Runner
from app.core.feature import State
from app.modules.audit import crud
from app.modules.audit.commands import commands

from .samples import create_event, stored

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def in_session(runner: Runner, job: Callable[[AsyncSession], Awaitable[Any]]) -> Any:  # noqa: ANN401
    async def run(state: State) -> Any:  # noqa: ANN401
        async with state["database"].write_sessions() as session:
            found = await job(session)
            await session.commit()
            return found

    return runner.run(run)


def run(runner: Runner, *arguments: str) -> Result:
    return CliRunner().invoke(commands, arguments, obj=runner)


class TestPrune:
    def test_deletes_what_is_older_and_records_it(self, runner: Runner) -> None:
        now = datetime.now(UTC)

        async def arrange(session: AsyncSession) -> None:
            for days in (1, 29, 31, 400):
                await create_event(session, name=f"day_{days}", at=now - timedelta(days=days))

        in_session(runner, arrange)
        result = run(runner, "prune", "--older-than", "30")

        async def look(session: AsyncSession) -> tuple[list[int], list[dict[str, Any]]]:
            left = [days for days in (1, 29, 31, 400) if await stored(session, f"day_{days}")]
            pruned = await stored(session, "audit_events_pruned")
            return left, [event.details for event in pruned]

        assert result.exit_code == 0
        assert result.output.endswith("2 event(s) deleted.\n")
        assert in_session(runner, look) == ([1, 29], [{"older_than_days": 30, "events": 2}])

    @pytest.mark.parametrize("days", [[], ["--older-than", "0"], ["--older-than", "-1"]])
    def test_does_not_delete_everything_by_mistake(self, runner: Runner, days: list[str]) -> None:
        assert run(runner, "prune", *days).exit_code == 2


class TestExport:
    @pytest.fixture
    def three(self, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
        """Events of three hours, in more batches than one."""
        monkeypatch.setattr(crud, "_BATCH", 2)

        async def arrange(session: AsyncSession) -> None:
            for hours in (2, 0, 1):
                await create_event(
                    session,
                    name=f"hour_{hours}",
                    at=NOON + timedelta(hours=hours),
                    address="203.0.113.7",
                    details={"lid": "a\nb"},
                )

        in_session(runner, arrange)

    @pytest.mark.usefixtures("three")
    def test_prints_one_object_a_line(self, runner: Runner) -> None:
        result = run(runner, "export")
        lines = [json.loads(line) for line in result.output.splitlines()]

        assert result.exit_code == 0
        assert [line["name"] for line in lines] == ["hour_0", "hour_1", "hour_2"]
        assert lines[0].pop("id").startswith("019c")
        assert lines[0] == {
            "at": "2026-01-31T12:00:00Z",
            "name": "hour_0",
            "is_warning": False,
            "actor_id": None,
            "target_id": None,
            "address": "203.0.113.7",
            "user_agent": None,
            "request_id": None,
            "details": {"lid": "a\nb"},
        }

    @pytest.mark.usefixtures("three")
    @pytest.mark.parametrize(
        ("since", "expected"),
        [
            ("2026-01-31T13:00:00Z", ["hour_1", "hour_2"]),
            ("2026-01-31T14:00:00+01:00", ["hour_1", "hour_2"]),
            ("2026-01-31T13:00:00.000001Z", ["hour_2"]),
            ("2026-02-01T00:00:00Z", []),
        ],
    )
    def test_begins_where_it_is_told(self, runner: Runner, since: str, expected: list[str]) -> None:
        output = run(runner, "export", "--since", since).output

        assert [json.loads(line)["name"] for line in output.splitlines()] == expected

    @pytest.mark.parametrize("since", ["yesterday", "2026-01-31", "1700000000"])
    def test_refuses_what_is_no_time(self, runner: Runner, since: str) -> None:
        result = run(runner, "export", "--since", since)

        assert result.exit_code == 2
        assert "must look like 2026-01-31T12:00:00Z" in result.output
