"""What one controller costs while nothing happens: memory, processor time, and how soon it has joined the election."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.bench.pair import SOON_S, Node, Pair
from tests.bench.phases import turns_since
from tests.servers.wait import eventually

LAUNCHER = "failoverd-hooks"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process, in MiB: resident, and its proportional share of what it shares."""

    rss_mb: float
    pss_mb: float


@dataclass(frozen=True, slots=True)
class Resident:
    """Of a controller and its launcher."""

    controller: Memory
    launcher: Memory

    @property
    def rss_mb(self) -> float:
        return self.controller.rss_mb + self.launcher.rss_mb

    @property
    def pss_mb(self) -> float:
        return self.controller.pss_mb + self.launcher.pss_mb


def launcher_of(node: Node) -> int:
    """The launcher's process id; LookupError when the controller has none."""
    for child in psutil.Process(node.pid).children():
        if child.name() == LAUNCHER:
            return int(child.pid)
    raise LookupError(f"the controller of {node.name} has no child called {LAUNCHER}")


def resident(node: Node) -> Resident:
    """Now."""
    return Resident(_memory(node.pid), _memory(launcher_of(node)))


def _memory(pid: int) -> Memory:
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()[1:]:
        name, value = line.split(":")
        found[name] = int(value.split()[0]) / 1024
    return Memory(found["Rss"], found["Pss"])


def processor_share(nodes: list[Node], for_s: float) -> list[dict[str, float]]:
    """Per cent of one core that each node's controller and launcher took over `for_s` seconds."""
    pids = [{"controller": node.pid, "launcher": launcher_of(node)} for node in nodes]
    before, began = [_spent(one) for one in pids], time.monotonic()
    time.sleep(for_s)
    lasted_s = time.monotonic() - began
    after = [_spent(one) for one in pids]
    return [
        {name: (after[name] - before[name]) / lasted_s * 100 for name in before}
        for before, after in zip(before, after, strict=True)
    ]


def _spent(pids: dict[str, int]) -> dict[str, float]:
    return {name: _processor_time_s(pid) for name, pid in pids.items()}


def _processor_time_s(pid: int) -> float:
    """utime + stime, of all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def join(pair: Pair) -> float:
    """Seconds from the start of the standby's controller to its being a standby; it was stopped before."""
    standby = pair.nodes[1]
    standby.controller.stop()
    started_at = time.time()
    standby.controller.start()
    eventually(lambda: standby.status().get("role") == "standby", SOON_S, f"{standby.name} joins\n{pair.logs()}")
    turns = turns_since(started_at, standby.status())
    return next(turn.at for turn in turns if turn.after == "standby") - started_at
