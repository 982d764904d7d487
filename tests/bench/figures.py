"""Medians, percentiles and ratios of what was measured, and the one JSON object they make."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.idle import Resident
from tests.bench.losses import Killed
from tests.bench.moves import Moved

TARGETS = {
    "crash_ratio_median": 4.0,
    "switchover_ratio_median": 4.0,
    "rss_mb": 64.0,
    "idle_cpu_percent": 0.5,
    "join_s": 1.0,
    "controller_kill_failovers": 0,
    "controller_kill_epoch_changes": 0,
}


@dataclass(slots=True)
class Measured:
    """Everything, as it was measured; times in milliseconds."""

    floor: list[float] = field(default_factory=list)
    floor_disk: list[float] = field(default_factory=list)
    crashes: list[Moved] = field(default_factory=list)
    crashes_with_role: list[Moved] = field(default_factory=list)
    switchovers: list[Moved] = field(default_factory=list)
    seen_by_client: list[float] = field(default_factory=list)
    killed: Killed = field(default_factory=Killed)
    hung: list[float] = field(default_factory=list)
    hosts_lost: list[float] = field(default_factory=list)
    host_session_s: float = 0.0
    joins_s: list[float] = field(default_factory=list)
    idle_s: float = 0.0
    resident: dict[str, Resident] = field(default_factory=dict)
    processor: dict[str, dict[str, float]] = field(default_factory=dict)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def p95(values: Sequence[float]) -> float:
    """The smallest value that 95 % of all do not exceed."""
    return sorted(values)[max(0, math.ceil(0.95 * len(values)) - 1)]


def as_record(measured: Measured) -> dict[str, Any]:
    """The JSON object: one level, but for `phases`, `targets` and `machine`."""
    crash = [run.total_ms for run in measured.crashes]
    gap = [run.total_ms for run in measured.switchovers]
    worst = max(measured.resident.values(), key=lambda one: one.rss_mb)
    busiest = max(measured.processor.values(), key=lambda one: sum(one.values()))
    record: dict[str, Any] = {
        "runs": len(crash),
        **_spread("floor_ms", measured.floor),
        **_spread("floor_disk_ms", measured.floor_disk),
        **_spread("crash_ms", crash),
        **_ratios("crash_ratio", crash, measured.floor),
        **_spread("crash_with_role_ms", [run.total_ms for run in measured.crashes_with_role]),
        **_spread("switchover_gap_ms", gap),
        **_ratios("switchover_ratio", gap, measured.floor),
        **_spread("switchover_client_gap_ms", measured.seen_by_client),
        **_losses(measured),
        "rss_mb": worst.rss_mb,
        "rss_controller_mb": worst.controller.rss_mb,
        "rss_launcher_mb": worst.launcher.rss_mb,
        "pss_mb": worst.pss_mb,
        "pss_controller_mb": worst.controller.pss_mb,
        "pss_launcher_mb": worst.launcher.pss_mb,
        "idle_cpu_percent": sum(busiest.values()),
        "idle_cpu_launcher_percent": busiest["launcher"],
        "idle_s": measured.idle_s,
        "join_s": median(measured.joins_s),
        "join_s_longest": max(measured.joins_s),
    }
    record["targets"] = {name: {"at_most": most, "met": record[name] <= most} for name, most in TARGETS.items()}
    moves = {"crash": measured.crashes, "switchover": measured.switchovers}
    record["phases"] = {name: _phases(listed) for name, listed in moves.items()}
    record["machine"] = {"cores": os.cpu_count(), "load": list(os.getloadavg())}
    rounded: dict[str, Any] = _rounded(record)
    return rounded


def _losses(measured: Measured) -> dict[str, float]:
    killed = measured.killed
    return {
        "controller_kills": len(killed.adopted),
        "controller_kill_failovers": killed.failovers,
        "controller_kill_epoch_changes": killed.epoch_changes,
        "controller_kill_longest_gap_ms": killed.longest_gap,
        "controller_kill_quiet_longest_gap_ms": killed.quiet_longest_gap,
        **_spread("adopted_ms", killed.adopted),
        **_spread("hung_ms", measured.hung),
        **_spread("host_lost_ms", measured.hosts_lost),
        "host_lost_session_ms": measured.host_session_s * 1000,
        "host_lost_beyond_session_ms": median(measured.hosts_lost) - measured.host_session_s * 1000,
    }


def _spread(name: str, values: Sequence[float]) -> dict[str, float]:
    return {f"{name}_median": median(values), f"{name}_p95": p95(values)}


def _ratios(name: str, values: Sequence[float], floor: Sequence[float]) -> dict[str, float]:
    return {f"{name}_median": median(values) / median(floor), f"{name}_p95": p95(values) / p95(floor)}


def _phases(runs: Iterable[Moved]) -> dict[str, float]:
    """The median of each, in order."""
    listed = list(runs)
    found = {name: median([run.phases[name] for run in listed]) for name in listed[0].phases}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return round(value, 2) if isinstance(value, float) else value
