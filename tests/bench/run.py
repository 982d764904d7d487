"""The whole measurement, part by part, in one go: the floor before every move, so that both meet the same machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.client import Client
from tests.bench.doors import TOUCH
from tests.bench.figures import Measured
from tests.bench.floor import EMPTY, Floor
from tests.bench.idle import join, processor_share, resident
from tests.bench.losses import WITHIN, hang, kill_controllers, lose_host
from tests.bench.moves import Mover
from tests.bench.pair import Kind, running_pair
from tests.servers import zookeeper as zookeeper_server
from tests.servers.zookeeper import ZooKeeper

DISK = Path("/var/tmp")
JOINS = 5
FEW = 10
SHORT_SESSION_S = 2.0
SHORT_TICK_MS = 200
FLOOR_WARM_UP = 30  # the Java compiler's first runs are nobody's measure
Tell = Callable[[str], None]


class CannotMeasure(Exception):
    """A part cannot be measured on this machine; the text says why."""


def measure(runs: int, idle_s: float, tell: Tell) -> Measured:
    """Everything. Raises CannotMeasure, AssertionError or TimeoutError, saying which part failed."""
    _check()
    tell("starting two ZooKeepers")
    measured = Measured(idle_s=idle_s)
    with ExitStack() as stack:
        server, floor = stack.enter_context(_store())
        _, floor_disk = stack.enter_context(_store(DISK))
        _moves(measured, server, (floor, floor_disk), runs, tell)
        _idle(measured, server, runs, idle_s, tell)
        _losses(measured, server, runs, tell)
    _hosts(measured, min(runs, FEW), tell)
    return measured


def _check() -> None:
    missing = zookeeper_server.missing() + [path for path in (EMPTY, TOUCH) if not os.access(path, os.X_OK)]
    if missing:
        raise CannotMeasure(f"missing: {', '.join(missing)}; scripts/install-test-needs installs the servers")


@contextmanager
def _store(folder: Path | None = None) -> Iterator[tuple[ZooKeeper, Floor]]:
    """A ZooKeeper with its own defaults, its data in memory or below `folder`, and two bare clients of it."""
    with ExitStack() as stack:
        settings = {}
        if folder is not None:
            data = stack.enter_context(tempfile.TemporaryDirectory(prefix="failoverd-bench-", dir=folder))
            settings = {"dataDir": data}
        server = stack.enter_context(ZooKeeper(tick_time_ms=2000, min_session_timeout_ms=4000, settings=settings))
        floor = stack.enter_context(Floor(server.hosts, "/floor"))
        for _ in range(FLOOR_WARM_UP):
            floor.hand_over()
        yield server, floor


def _moves(measured: Measured, server: ZooKeeper, floors: tuple[Floor, Floor], runs: int, tell: Tell) -> None:
    """Crashes where a standby's service is stopped, so that just two hooks run, as in the floor.

    Switchovers, and some more crashes, where it runs: there a third hook, `role`, confirms the demote (S3).
    """
    tell("starting two pairs")
    with (
        running_pair(server.hosts, Kind("stopped")) as stopped,
        running_pair(server.hosts, Kind("running")) as running,
    ):
        crashing, switching = Mover(stopped), Mover(running)
        for _ in range(2):  # each node has been both once: what follows is not a first time
            crashing.crash()
            switching.crash()
        for number in range(runs):
            tell(f"crash and switchover {number + 1} of {runs}")
            measured.floor.append(floors[0].hand_over())
            measured.crashes.append(crashing.crash())
            measured.floor_disk.append(floors[1].hand_over())
            measured.switchovers.append(switching.switch_over())
        client = Client()
        for _ in range(min(runs, FEW)):
            tell("a crash with a role hook, and a switchover that a client sees")
            measured.crashes_with_role.append(switching.crash())
            measured.seen_by_client.append(switching.switch_over(client).total_ms)


def _losses(measured: Measured, server: ZooKeeper, runs: int, tell: Tell) -> None:
    """Controllers that die and come back, and services that hang.

    The session outlives the start of a Python on a busy machine: what is counted is what our own doing costs.
    """
    tell("starting a pair with a role, asked over HTTP")
    kind = Kind(
        "stopped", watches_process=False, asked_every="500ms", keeps_role=True, session_timeout="12s", within=WITHIN
    )
    with running_pair(server.hosts, kind) as pair:
        tell("killing controllers under a client that writes")
        measured.killed = kill_controllers(pair, runs)
        for number in range(runs):
            tell(f"a hung service {number + 1} of {runs}")
            measured.hung.append(hang(pair))


def _hosts(measured: Measured, runs: int, tell: Tell) -> None:
    """Lost hosts, with a session as short as a sound network allows; the servers' ticks are short with it."""
    tell("starting a ZooKeeper with short ticks")
    kind = Kind("stopped", fence_answers=True, session_timeout=f"{SHORT_SESSION_S:g}s", tick_time=f"{SHORT_TICK_MS}ms")
    with (
        ZooKeeper(tick_time_ms=SHORT_TICK_MS, min_session_timeout_ms=2 * SHORT_TICK_MS) as server,
        running_pair(server.hosts, kind) as pair,
    ):
        measured.host_session_s = float(pair.nodes[0].status()["store"]["session_timeout_s"])
        for number in range(runs):
            tell(f"a lost host {number + 1} of {runs}")
            measured.hosts_lost.append(lose_host(pair))


def _idle(measured: Measured, server: ZooKeeper, runs: int, idle_s: float, tell: Tell) -> None:
    """A pair with one tcp probe a second and no command probe, as an active and a standby."""
    tell("starting an idle pair")
    with running_pair(server.hosts, Kind("stopped", watches_process=False)) as pair:
        for _ in range(min(runs, JOINS)):
            tell("a standby joins")
            measured.joins_s.append(join(pair))
        roles = dict(zip(("active", "standby"), pair.nodes, strict=True))
        tell(f"idle for {idle_s:g} s")
        shares = processor_share(list(roles.values()), idle_s)
        measured.processor = dict(zip(roles, shares, strict=True))
        measured.resident = {role: resident(node) for role, node in roles.items()}
