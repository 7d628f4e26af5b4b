"""At the end of a run: what of all combinations was covered by rows that passed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from harness.commands import Steps
from harness.questionnaire import Value
from harness.rows import Row, all_rows, combinations_of, committed, questionnaire

RecordProperty = Callable[[str, object], None]
SHOWN = 10  # missing combinations listed by name


def rows_by_tier(reports: Iterable[pytest.TestReport]) -> Mapping[str, Mapping[int, bool]]:
    """For each tier the rows that were tried, and whether every test of theirs passed."""
    tiers: dict[str, dict[int, bool]] = defaultdict(dict)
    for report in reports:
        properties: dict[str, Any] = dict(report.user_properties)
        if "row" in properties and (report.when == "call" or not report.passed):
            rows = tiers[str(properties["tier"])]
            for number in properties["row"]:
                rows[number] = rows.get(number, True) and report.passed
    return tiers


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the coverage. Reports of xdist's workers carry their properties to the controller, which alone prints."""
    reports = [
        report
        for outcome in ("passed", "failed", "error", "skipped")
        for report in terminalreporter.getreports(outcome)
        if isinstance(report, pytest.TestReport)
    ]
    tiers = rows_by_tier(reports)
    if not tiers:
        return
    terminalreporter.section("combinations covered by rows that passed")
    for tier, rows in sorted(tiers.items()):
        for line in tier_lines(tier, rows):
            terminalreporter.write_line(line)
    for refusal in questionnaire().refusals:
        values = " with ".join(f"{name}={str(value).lower()}" for name, value in refusal.values.items())
        terminalreporter.write_line(f"cannot be: {values} ({refusal.message})")
    for line in time_lines(reports):
        terminalreporter.write_line(line)


def tier_lines(tier: str, rows: Mapping[int, bool]) -> Iterator[str]:
    """One line of counts, and what is missing where anything failed."""
    passed = [row.switches for row in all_rows() if rows.get(row.number)]
    counts = [f"{sum(rows.values())} of {len(rows)} rows"]
    missing: list[str] = []
    for strength, name in ((2, "pairs"), (3, "triples")):
        covered = combinations_of(passed, strength)
        counts.append(f"{len(covered)} of {committed()[name]} {name} ({len(covered) / committed()[name]:.1%})")
        if strength == 2 or tier == "render":
            missing += uncovered(covered, strength)
    yield f"{tier}: {', '.join(counts)}"
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        yield f"  not covered: {'; '.join(missing[:SHOWN])}{more}"


def uncovered(covered: set[frozenset[tuple[str, Value]]], strength: int) -> list[str]:
    """The combinations that some row covers, but none that passed."""
    expected = combinations_of((row.switches for row in all_rows()), strength)
    return sorted(" ".join(f"{k}={v}".lower() for k, v in sorted(part)) for part in expected - covered)


def time_lines(reports: Sequence[pytest.TestReport]) -> Iterator[str]:
    """Seconds by step, over all rows."""
    total: dict[str, float] = defaultdict(float)
    for report in reports:
        for step, seconds in report.user_properties:
            if step.startswith("seconds: "):
                total[step.removeprefix("seconds: ")] += float(str(seconds))
    if total:
        parts = [f"{step} {seconds:.0f}" for step, seconds in sorted(total.items(), key=lambda item: -item[1])]
        yield f"seconds by step, over all rows: {', '.join(parts)}"


def identify(record: RecordProperty, tier: str, *rows: Row) -> None:
    """Mark a test's report as one of these rows."""
    record("tier", tier)
    record("row", [row.number for row in rows])


def record_times(record: RecordProperty, steps: Steps) -> None:
    """Add how long each step of a test took to its report."""
    for step, seconds in steps.seconds.items():
        record(f"seconds: {step}", seconds)
