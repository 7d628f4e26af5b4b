"""The alerts, runbooks and dashboards of `monitoring/`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fixtures.prometheus import Promtool

ROOT = Path(__file__).parents[1] / "monitoring"
PARTS = sorted(path.parent for path in ROOT.glob("*/dashboard.json"))
ALERTS = sorted(ROOT.glob("*/alerts.yml"))


def read(path: Path) -> dict[str, Any]:
    """JSON is YAML."""
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def rules_of(path: Path) -> dict[str, dict[str, Any]]:
    (group,) = read(path)["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def panels_of(part: Path) -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = read(part / "dashboard.json")["panels"]
    return panels


def expressions(part: Path) -> Iterator[str]:
    for panel in panels_of(part):
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "1m")


class TestConfiguration:
    def test_is_liked_by_prometheus(self, promtool: Promtool) -> None:
        is_content, text = promtool("check", "config", str(ROOT / "prometheus.yml"))

        assert is_content, text

    def test_reads_all_rules(self) -> None:
        names = read(ROOT / "prometheus.yml")["rule_files"]

        assert sorted(ROOT / name for name in names) == ALERTS


@pytest.mark.parametrize("path", ALERTS, ids=lambda path: path.parent.name)
class TestAlerts:
    def test_pass_their_tests(self, promtool: Promtool, path: Path) -> None:
        is_content, text = promtool("test", "rules", str(path.with_name("alerts_test.yml")))

        assert is_content, text

    def test_are_each_seen_firing_and_not_firing(self, path: Path) -> None:
        tests = read(path.with_name("alerts_test.yml"))["tests"]
        seen = {
            (case["alertname"], bool(case.get("exp_alerts")))
            for test in tests
            for case in test["alert_rule_test"]
        }

        assert seen == {(name, fires) for name in rules_of(path) for fires in (True, False)}

    def test_lead_to_a_page_of_the_runbook(self, path: Path) -> None:
        pages = re.findall(r"^## (\w+)$", path.with_name("runbook.md").read_text(), re.MULTILINE)

        rules = rules_of(path)
        assert pages == list(rules)
        for name, rule in rules.items():
            page = f"monitoring/{path.parent.name}/runbook.md#{name.lower()}"
            assert rule["annotations"]["runbook"] == page
            assert rule["labels"]["severity"] in {"critical", "warning"}


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
class TestDashboards:
    def test_ask_what_prometheus_understands(
        self, promtool: Promtool, part: Path, tmp_path: Path
    ) -> None:
        rules = [
            {"record": f"expression:{number}", "expr": expression}
            for number, expression in enumerate(expressions(part))
        ]
        path = tmp_path / "rules.yml"
        path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))

        is_content, text = promtool("check", "rules", str(path))

        assert is_content, text
        assert f"{len(rules)} rules found" in text

    def test_have_each_panel_in_a_place_of_its_own(self, part: Path) -> None:
        taken: set[tuple[int, int]] = set()
        for panel in panels_of(part):
            x, y, width, height = (panel["gridPos"][key] for key in "xywh")
            squares = {
                (column, row) for column in range(x, x + width) for row in range(y, y + height)
            }
            assert x + width <= 24
            assert not squares & taken, panel["title"]
            taken |= squares


def test_dashboards_have_names_of_their_own() -> None:
    boards = [read(part / "dashboard.json") for part in PARTS]

    assert len({board["uid"] for board in boards}) == len(boards)
    assert len({board["title"] for board in boards}) == len(boards)
