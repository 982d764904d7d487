"""The text of a scrape. The only module that knows prometheus_client; nothing global of that library is touched.

Its own collector of the process (memory, processor time, files) is asked beside our tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import (
    Metric as Family,
)
from prometheus_client.openmetrics import exposition as openmetrics

from failover.api.metrics.metric import Metric
from failover.api.metrics.table import metrics
from failover.ports.controller import Snapshot
from failover.ports.measures import Spread

OURS = ("service", "node")
OPEN_METRICS = "application/openmetrics-text"
OPEN_METRICS_VERSION = "1.0.0"
UNITS = ("seconds",)
_PROCESS = ProcessCollector(registry=None)  # registered nowhere


class Scrape:
    """One scrape of one snapshot: what prometheus_client calls a registry."""

    def __init__(self, snapshot: Snapshot, now_s: float, stale: bool) -> None:
        self._snapshot = snapshot
        self._now_s = now_s
        self._stale = stale

    def collect(self) -> Iterator[Family]:
        """Every family that has something to tell."""
        for metric in metrics(self._stale):
            family = self._family(metric)
            if family.samples:
                yield family
        yield from _PROCESS.collect()

    def _family(self, metric: Metric) -> Family:
        own = (self._snapshot.service, self._snapshot.node.name)
        family = _empty(metric)
        for values, value in metric.read(self._snapshot, self._now_s):
            labels = (*own, *values)
            if isinstance(value, Spread) and isinstance(family, HistogramMetricFamily):
                family.add_metric(labels, _buckets(value), value.sum_s)
            elif not isinstance(value, Spread) and not isinstance(family, HistogramMetricFamily):
                family.add_metric(labels, value)
        return family


def _empty(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily:
    name, labels = metric.full_name, (*OURS, *metric.labels)
    unit = next((unit for unit in UNITS if name.removesuffix("_total").endswith(f"_{unit}")), "")
    if metric.kind == "counter":
        return CounterMetricFamily(name, metric.help, labels=labels, unit=unit)
    if metric.kind == "histogram":
        return HistogramMetricFamily(name, metric.help, labels=labels, unit=unit)
    return GaugeMetricFamily(name, metric.help, labels=labels, unit=unit)


def _buckets(spread: Spread) -> list[tuple[str, float]]:
    """Cumulative, as Prometheus wants them."""
    bounds = [*map(str, spread.bounds), "+Inf"]
    return list(zip(bounds, accumulate(map(float, spread.counts)), strict=True))


def written(snapshot: Snapshot, now_s: float, stale: bool, accept: str) -> tuple[bytes, str]:
    """The text and its content type, as the header `Accept` wants it."""
    scrape = Scrape(snapshot, now_s, stale)
    if OPEN_METRICS in accept.lower():
        kind = f"{OPEN_METRICS}; version={OPEN_METRICS_VERSION}; charset=utf-8"
        text: bytes = openmetrics.generate_latest(scrape, version=OPEN_METRICS_VERSION)  # type: ignore[no-untyped-call]
        return text, kind
    return generate_latest(scrape), CONTENT_TYPE_PLAIN_0_0_4
