"""What is lost besides the service's process: its controller, its answers, its whole host.

Each run ends with both nodes well. A lost host and a hung service exchange the roles; a lost controller moves nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.bench.doors import knocks
from tests.bench.pair import SOON_S, Node, Pair
from tests.bench.writer import Writer
from tests.servers.wait import eventually

KNOCK_S = 20.0
WITHIN = "1s"
BETWEEN_KILLS_S = 1.0
"""More than two adoptions within `limits.within` are refused (S10): kills come no closer than that."""


@dataclass(slots=True)
class Killed:
    """Kills of the active's controller, and the same length of time without any; times in milliseconds."""

    adopted: list[float] = field(default_factory=list)
    failovers: int = 0
    epoch_changes: int = 0
    longest_gap: float = 0.0
    quiet_longest_gap: float = 0.0


def kill_controllers(pair: Pair, runs: int) -> Killed:
    """Kill the active's controller again and again, with a supervisor that restarts it, under a client that writes."""
    killed = Killed()
    active, standby = pair.nodes
    with Writer(active.port) as writer:
        began = time.monotonic()
        for _ in range(runs):
            _kill_controller(pair, active, standby, killed)
        ended = time.monotonic()
        time.sleep(ended - began)  # what is measured is a quiet time of the same length
        killed.longest_gap = writer.longest_gap_ms(began, ended)
        killed.quiet_longest_gap = writer.longest_gap_ms(ended, time.monotonic())
    return killed


def _kill_controller(pair: Pair, active: Node, standby: Node, killed: Killed) -> None:
    for door in (active.demote, active.promote, standby.promote):
        door.listen()
    epoch = active.status()["epoch"]
    at = active.restart_controller()
    pair.wait_for(active, "active")
    killed.adopted.append((time.monotonic() - at) * 1000)
    killed.epoch_changes += active.status()["epoch"] != epoch
    time.sleep(BETWEEN_KILLS_S)  # and it stays so
    killed.failovers += any(door.has_knocked() for door in (active.demote, active.promote, standby.promote))
    pair.wait_for(standby, "standby")


def hang(pair: Pair) -> float:
    """Stop the active's service, SIGSTOP: milliseconds until the other node's promote hook."""
    active, standby = _settled(pair)
    stopped_at = active.hang_service()
    return _moved(pair, active, standby, stopped_at)


def lose_host(pair: Pair) -> float:
    """Kill the active's controller and service: milliseconds until the other node's promote hook."""
    active, standby = _settled(pair)
    lost_at = active.lose_host()
    took_ms = _moved(pair, active, standby, lost_at)
    active.controller.start()
    pair.wait_for(active, "standby")
    return took_ms


def _settled(pair: Pair) -> tuple[Node, Node]:
    active, standby = pair.nodes
    pair.wait_for(active, "active")
    pair.wait_for(standby, "standby")
    standby.promote.listen()
    return active, standby


def _moved(pair: Pair, active: Node, standby: Node, began: float) -> float:
    (promoted_at,) = knocks([standby.promote], KNOCK_S)
    pair.serve(standby)
    pair.come_back(active)
    eventually(lambda: standby.role() == "active", SOON_S, f"{standby.name} is active\n{pair.logs()}")
    pair.nodes.reverse()
    return (promoted_at - began) * 1000
