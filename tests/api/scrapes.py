"""Reading what `/metrics` says, by Prometheus' own parser."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]
OURS = {"service", "node"}


class Scraped:
    """One scrape. `value("role", role="active")` leaves out the prefix, and the labels that every metric has."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.series: Series = {}
        for family in self.families.values():
            for sample in family.samples:
                labels = frozenset((name, value) for name, value in sample.labels.items() if name not in OURS)
                key = (sample.name, labels)
                assert key not in self.series, f"twice: {key}"
                self.series[key] = sample.value

    def value(self, name: str, **labels: str) -> float | None:
        """None where it is not told."""
        return self.series.get((f"failoverd_{name}", frozenset(labels.items())))

    def role(self) -> str:
        """The one role that is told as the present one."""
        roles = {labels: value for (name, labels), value in self.series.items() if name == "failoverd_role"}
        told = [dict(labels)["role"] for labels, value in roles.items() if value]
        return told[0] if len(told) == 1 else ""


def scrape(client: httpx.Client, url: str = "/metrics") -> Scraped:
    """Raises for everything but 200."""
    answer = client.get(url)
    answer.raise_for_status()
    return Scraped(answer.text)
