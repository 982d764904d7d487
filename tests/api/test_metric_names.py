"""Every metric obeys Prometheus' naming rules, says what it is, and has labels whose values are bounded.

The rules: https://prometheus.io/docs/practices/naming/ and what `promtool check metrics` complains of.
"""

import re

import pytest

from failover.api.metrics.exposition import Scrape
from failover.api.metrics.metric import Metric
from failover.api.metrics.table import SECTIONS, metrics
from failover.runtime.tally import Tally
from tests.api.fakes import active_snapshot

ALL = metrics(stale=False)
BASE_UNITS = ("seconds",)
OTHER_UNITS = re.compile(r"_(ms|millis\w*|minutes|hours|days|percent|kb|mb|megabytes)(_|$)")
FAMILIES_SUFFIXES = ("_sum", "_count", "_bucket", "_total", "_created")


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_a_name_is_in_snake_case_ends_in_its_unit_and_says_what_kind_it_is(metric: Metric) -> None:
    assert re.fullmatch(r"failoverd_[a-z]+(_[a-z]+)*", metric.full_name)
    assert not OTHER_UNITS.search(metric.name), "base units only"
    assert (metric.kind == "counter") == metric.name.endswith("_total")
    assert not metric.name.removesuffix("_total").endswith(FAMILIES_SUFFIXES)
    for kind in ("gauge", "counter", "histogram"):
        assert kind not in metric.name
    if metric.kind == "histogram":
        assert metric.name.endswith(BASE_UNITS)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_a_help_text_is_one_line_and_a_whole_sentence(metric: Metric) -> None:
    assert metric.help.endswith(".")
    assert "\n" not in metric.help
    assert len(metric.help) <= 160


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_every_label_has_a_meaning_and_a_bound(metric: Metric) -> None:
    for name, label in metric.labels.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
        assert name not in ("service", "node", "le", "quantile", "instance", "job")
        assert label.about
        assert label.values or label.most, f"{name} could have any number of values"


def test_no_two_metrics_have_the_same_name() -> None:
    names = [metric.name for metric in ALL]
    assert len(set(names)) == len(names)
    assert sum(map(len, SECTIONS.values())) == len(names)


def test_what_is_told_has_the_labels_and_values_that_are_said_and_nothing_else() -> None:
    snapshot = active_snapshot(measures=Tally(lambda: 1000.0).told(), step_down_s=1001.0)
    told = {family.name: family for family in Scrape(snapshot, 1000.0, stale=False).collect()}
    for metric in ALL:
        family = told.get(metric.full_name.removesuffix("_total"))
        for sample in family.samples if family is not None else ():
            assert {*sample.labels} - {"le"} == {"service", "node", *metric.labels}
            for name, label in metric.labels.items():
                assert not label.values or sample.labels[name] in label.values
