"""The shipped alerting rules speak of metrics and labels that there are, and say what to do."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from failover.api.metrics.table import metrics
from tests.docs.pages import ROOT, anchors

RULES = ROOT / "config" / "examples" / "monitoring" / "prometheus-alerts.yaml"
TESTS = ROOT / "tests" / "docs" / "alerts.yaml"
HOW_TO = ROOT / "docs" / "how-to" / "monitor-and-alert.md"
METRICS = {metric.full_name: metric for metric in metrics(stale=False)} | {
    metric.full_name: metric for metric in metrics(stale=True)
}


def rules() -> list[dict[str, Any]]:
    groups = YAML(typ="safe", pure=True).load(RULES)["groups"]
    return [rule for group in groups for rule in group["rules"]]


RULE = pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])


@RULE
def test_a_rule_asks_for_metrics_and_label_values_that_there_are(rule: dict[str, Any]) -> None:
    named = re.findall(r"(failoverd_\w+)(?:\{([^}]*)\})?", rule["expr"])
    assert named or "up{" in rule["expr"]
    for name, matchers in named:
        metric = METRICS[name]
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', matchers):
            known = metric.labels[label].values
            assert not known or set(value.split("|")) <= set(known)


@RULE
def test_a_rule_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["alert"].startswith("Failoverd")
    assert rule["labels"]["severity"] in ("critical", "warning")
    told = rule["annotations"]
    assert set(told) == {"summary", "description", "runbook"}
    page, _, anchor = told["runbook"].partition("#")
    assert (ROOT / page).is_file()
    assert not anchor or anchor in anchors(ROOT / page)


def test_every_rule_is_on_the_page_and_no_other() -> None:
    written = set(re.findall(r"`(Failoverd\w+)`", HOW_TO.read_text("utf-8")))
    assert written == {rule["alert"] for rule in rules()}


@pytest.mark.parametrize("command", [("check", "rules", RULES), ("test", "rules", TESTS)], ids=lambda words: words[0])
def test_promtool_takes_the_rules_and_finds_them_to_do_what_they_should(command: tuple[str | Path, ...]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool to check the rules with; Debian: apt-get install prometheus")
    done = subprocess.run([promtool, *map(str, command)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
