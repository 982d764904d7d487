"""The figures for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

_ROWS = (
    ("the store's floor, data in memory", "floor_ms", "ms", ""),
    ("the store's floor, data on disk", "floor_disk_ms", "ms", ""),
    ("crash, kill -9 to promote hook", "crash_ms", "ms", ""),
    ("  times the floor", "crash_ratio", "×", "crash_ratio_median"),
    ("  where a role hook is asked too", "crash_with_role_ms", "ms", ""),
    ("switchover, demote hook to promote hook", "switchover_gap_ms", "ms", ""),
    ("  times the floor", "switchover_ratio", "×", "switchover_ratio_median"),
    ("  as a client of /active sees it", "switchover_client_gap_ms", "ms", ""),
    ("controller, kill -9 to adopted", "adopted_ms", "ms", ""),
    ("hung service asked twice a second, SIGSTOP to promote hook", "hung_ms", "ms", ""),
    ("host lost, to promote hook", "host_lost_ms", "ms", ""),
)
_SINGLE = (
    ("failovers by all kills of the controller", "controller_kill_failovers", "", "controller_kill_failovers"),
    ("  changes of the epoch", "controller_kill_epoch_changes", "", "controller_kill_epoch_changes"),
    ("  longest time between two answered writes", "controller_kill_longest_gap_ms", "ms", ""),
    ("  the same, as long undisturbed", "controller_kill_quiet_longest_gap_ms", "ms", ""),
    ("session time-out of the lost hosts", "host_lost_session_ms", "ms", ""),
    ("  the median beyond it: tick and fence", "host_lost_beyond_session_ms", "ms", ""),
    ("memory, controller and launcher (RSS)", "rss_mb", "MiB", "rss_mb"),
    ("  the controller", "rss_controller_mb", "MiB", ""),
    ("  its launcher", "rss_launcher_mb", "MiB", ""),
    ("  both, shared pages shared out (PSS)", "pss_mb", "MiB", ""),
    ("processor while idle, of one core", "idle_cpu_percent", "%", "idle_cpu_percent"),
    ("start to joined as a standby", "join_s", "s", "join_s"),
)


def show(record: dict[str, Any], console: Console) -> None:
    """Print the tables."""
    table = Table("", "median", "95th percentile", "target", title=f"{record['runs']} runs, interleaved with the floor")
    for words, name, unit, target in _ROWS:
        values = (f"{record[f'{name}_{which}']:.1f} {unit}" for which in ("median", "p95"))
        table.add_row(words, *values, _target(record, target, unit))
    for words, name, unit, target in _SINGLE:
        table.add_row(words, f"{record[name]:.2f} {unit}", "", _target(record, target, unit))
    console.print(table)
    for name, phases in record["phases"].items():
        told = "  ".join(f"{phase} {at:.1f}" for phase, at in phases.items())
        console.print(f"{name}, median milliseconds after its beginning: {told}")
    load = "/".join(f"{one:.1f}" for one in record["machine"]["load"])
    console.print(f"{record['machine']['cores']} cores, load {load}")


def _target(record: dict[str, Any], name: str, unit: str) -> str:
    if not name:
        return ""
    target = record["targets"][name]
    return f"{'met' if target['met'] else 'MISSED'}: at most {target['at_most']:g} {unit}"
