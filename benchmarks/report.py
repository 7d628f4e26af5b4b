"""What was measured, as a table and as JSON. Only ratios mean something on another machine."""

import json
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from os import cpu_count
from pathlib import Path
from typing import Any

import cold_start


@dataclass(frozen=True)
class Row:
    """The processor time of one request, as a ratio to another one, in every round."""

    name: str
    to: str
    ratio: float
    lowest: float
    highest: float
    microseconds: float
    target: float | None = None

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "met" if self.ratio <= self.target else "missed"


def beyond(rounds: Sequence[Mapping[str, float]], around: str) -> list[dict[str, float]]:
    """What each takes more than `around` does."""
    return [
        {f"{name}, alone": took - measured[around] for name, took in measured.items() if name != around}
        for measured in rounds
    ]


def row(rounds: Sequence[Mapping[str, float]], name: str, to: str, target: float | None = None) -> Row:
    """The median of the ratios within each round, so that what slows a whole round down cancels out."""
    ratios = [measured[name] / measured[to] for measured in rounds]
    return Row(
        name=name,
        to=to,
        ratio=round(statistics.median(ratios), 2),
        lowest=round(min(ratios), 2),
        highest=round(max(ratios), 2),
        microseconds=round(statistics.median(measured[name] for measured in rounds), 1),
        target=target,
    )


def table(rows: Sequence[Row]) -> str:
    lines = [("request", "compared with", "ratio", "lowest-highest", "target", "", "CPU us")]
    for item in rows:
        target = "" if item.target is None else f"<= {item.target:g}"
        spread = f"{item.lowest:.2f}-{item.highest:.2f}"
        cells = (item.name, item.to, f"{item.ratio:.2f}", spread, target, item.verdict)
        lines.append((*cells, f"{item.microseconds:.0f}"))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def write(path: Path, rows: Sequence[Row], other: Mapping[str, Any]) -> None:
    document = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": cpu_count(), "python": platform.python_version()},
        "requests": [asdict(item) for item in rows],
        **other,
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def summary(other: Mapping[str, Any]) -> str:
    """Rendering, importing and testing, in words."""
    lines = [
        f"render the default project: {other['render']['cpu']:.2f} s CPU",
        (
            f"import the service: {other['import']['app.main']:.2f} s CPU, "
            f"{other['import']['ratio']:.2f} x importing FastAPI"
        ),
    ]
    lines += cold_start.summary({name: cold_start.Start(**it) for name, it in other.get("cold start", {}).items()})
    if suite := other.get("suite"):
        lines.append(f"its own tests: {suite['wall']:.1f} s, {suite['cpu']:.1f} s CPU ({suite['summary']})")
    return "\n".join(lines)


START, END = "<!-- figures: made by `make benchmark` -->", "<!-- end of figures -->"


def put_into(page: Path, rows: Sequence[Row], other: Mapping[str, Any]) -> None:
    """Replace what stands between `START` and `END`."""
    lines = [
        "| Request | Compared with | Ratio | Lowest to highest | Target | |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for item in rows:
        target = "" if item.target is None else f"{item.target:g} or less"
        spread = f"{item.lowest:.1f} to {item.highest:.1f}"
        lines.append(f"| {item.name} | {item.to} | **{item.ratio:.2f}** | {spread} | {target} | {item.verdict} |")
    words = [f"- {line}" for line in summary(other).splitlines()]
    before, _, rest = page.read_text().partition(START)
    _, _, after = rest.partition(END)
    page.write_text("\n".join([before + START, "", *lines, "", *words, "", END + after]))
