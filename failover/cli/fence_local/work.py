"""Check and fence: identity, then the controller, then the service, then the proof that nothing is left.

Knows neither ssh nor the command line. What is told is a fact that was seen, not an order that was given.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Protocol

from failover.cli.fence_local.allowed import Allowed
from failover.cli.fence_local.controller import ControllerProcesses
from failover.cli.fence_local.outcome import Deadline, NotDone, Refused
from failover.cli.fence_local.proc import kill_with_descendants, listening, lives, owners_of_sockets, started_at
from failover.cli.fence_local.stopped import Stopped, pass_on, remember
from failover.cli.fence_local.units import Unit, is_systemd_here
from failover.daemon.identity import IdentityError, read_machine_id
from failover.support.fence_request import FenceRequest
from failover.support.spawner import boot_id

SETTLE_S = 1.0
"""So long nothing may come back, before it counts as ended."""
_SLACK_S = 2.0


class Ending(Protocol):
    """One thing that is to be ended."""

    def stop(self, deadline: Deadline, /) -> None:
        """Begin it. Raises NotDone."""

    def end(self, deadline: Deadline, /) -> None:
        """Bring it to its end. Raises NotDone."""

    def wrong(self, deadline: Deadline, /) -> str:
        """Why it does not count as ended; "" if it does."""


class FoundProcess:
    """A service without a unit: by its pid file, or as whoever listens on its port."""

    def __init__(self, pidfile: Path | None, port: int | None) -> None:
        self._pidfile = pidfile
        self._port = port
        self._seen: set[int] = set()

    def stop(self, _: Deadline) -> None:
        self._seen |= kill_with_descendants(self._find())

    def end(self, deadline: Deadline) -> None:
        def ended() -> bool:
            self.stop(deadline)
            return not self.wrong(deadline)

        deadline.until(ended, lambda: self.wrong(deadline) or "the service has not ended in time")

    def wrong(self, _: Deadline) -> str:
        left = {pid for pid in self._seen | self._find() if lives(pid)}
        if left:
            return f"processes of the service live on after SIGKILL: {', '.join(map(str, sorted(left)))}"
        if self._port is not None and listening([self._port]):
            return f"port {self._port} is still listened on, by a process that this user may not see"
        return ""

    def _find(self) -> set[int]:
        found: set[int] = set()
        if self._port is not None:
            for inodes in listening([self._port]).values():
                found |= owners_of_sockets(inodes)
        return found | self._of_pidfile()

    def _of_pidfile(self) -> set[int]:
        if self._pidfile is None:
            return set()
        try:
            text = self._pidfile.read_text("ascii").split()
            written = self._pidfile.stat().st_mtime
        except FileNotFoundError:
            return set()
        except (OSError, ValueError) as error:
            raise NotDone(f"{self._pidfile} cannot be read: {error}") from None
        if not text or not text[0].isdecimal() or not 1 < int(text[0]) < 2**31:
            raise NotDone(f"{self._pidfile} does not begin with a process id")
        pid = int(text[0])
        # A process that is younger than the file that names it only bears a number that was used again.
        return {pid} if lives(pid) and started_at(pid) <= written + _SLACK_S else set()


def identify(asked: FenceRequest) -> bool:
    """Whether the host was booted anew since the breadcrumb was written. Raises Refused for another machine."""
    try:
        own = read_machine_id()
    except IdentityError as error:
        raise Refused(str(error)) from None
    if own != asked.machine:
        raise Refused(
            f"this is another machine: its machine-id is {own}, and {asked.machine} is to be fenced; "
            "does the address still belong to that node?"
        )
    return boot_id() != asked.boot


def check(asked: FenceRequest, allowed: Allowed, deadline: Deadline) -> dict[str, object]:
    """Could it be done? Changes nothing. Raises Refused or NotDone."""
    rebooted = identify(asked)
    processes = ControllerProcesses(allowed.folder)
    _endings(asked, allowed, deadline)
    if os.geteuid() != 0 and (allowed.systemd or not os.access(allowed.folder, os.W_OK)):
        raise Refused(f"user {os.geteuid()} may end nothing here: run fence-local as root, by sudo (see the how-to)")
    if not processes.known:
        raise Refused(_no_folder(allowed))
    listening(asked.ports)
    by = "systemd" if allowed.systemd else "processes"
    return {"boot_id": boot_id(), "rebooted": rebooted, "user": os.geteuid(), "by": by}


def fence(asked: FenceRequest, allowed: Allowed, deadline: Deadline) -> dict[str, object]:
    """End it all, and prove it; the facts of the proof. Raises Refused or NotDone."""
    rebooted = identify(asked)
    processes = ControllerProcesses(allowed.folder)
    endings = _endings(asked, allowed, deadline)
    # Without a trace of a controller in this boot, the folder may be a wrong one, and the controller elsewhere.
    if not (rebooted or processes.known or any(isinstance(unit, Unit) and unit.processes() for unit in endings[:-1])):
        raise Refused(_no_folder(allowed))
    processes.take_turn(deadline)
    processes.refuse_stale(asked.epoch)
    processes.raise_floor(asked.epoch)
    _note_what_is_owed(endings[:-1], asked.epoch)
    for ending in endings[:-1]:  # the controller first: it must not promote meanwhile
        ending.stop(deadline)
    ended = processes.end(deadline)
    for ending in endings:
        ending.stop(deadline)
    for ending in endings:
        ending.end(deadline)
    _prove(asked, endings, deadline)
    return {
        "boot_id": boot_id(),
        "rebooted": rebooted,
        "by": "systemd" if allowed.systemd else "processes",
        "controller": ended,
        "ports": list(asked.ports),
    }


def _note_what_is_owed(controllers: list[Ending], epoch: int) -> None:
    """Only what this strike stops, or one before it has stopped, may ever be given back."""
    for unit in controllers:
        if isinstance(unit, Unit):
            seen = unit.first
            if seen.up:
                remember(Stopped(unit.name, boot_id(), epoch, seen.invocation, seen.enabled))
            else:
                pass_on(unit.name, boot_id(), seen.invocation, epoch)


def _endings(asked: FenceRequest, allowed: Allowed, deadline: Deadline) -> list[Ending]:
    """The controller's (where it has a unit), then the service's."""
    if not allowed.systemd:
        return [FoundProcess(allowed.pidfile, allowed.port_owner)]
    if not is_systemd_here():
        raise Refused("systemd does not run this host: give fence-local --no-systemd and --pidfile or --port-owner")
    return [Unit(asked.controller, deadline), Unit(asked.unit, deadline)]


def _prove(asked: FenceRequest, endings: list[Ending], deadline: Deadline) -> None:
    """Nothing is left, and nothing has come back after SETTLE_S. Raises NotDone."""
    deadline.until(
        lambda: not listening(asked.ports),
        lambda: f"something still listens on port {', '.join(map(str, sorted(listening(asked.ports))))}",
    )
    until = time.monotonic() + SETTLE_S
    while True:
        over = time.monotonic() >= until
        left = [wrong for ending in endings if (wrong := ending.wrong(deadline))]
        open_ports = sorted(listening(asked.ports))
        if open_ports:
            left.append(f"something listens again on port {', '.join(map(str, open_ports))}")
        if left:
            raise NotDone("; ".join(left))
        if over:
            return
        if deadline.left_s() < SETTLE_S / 4:
            raise NotDone("the deadline came before it was certain that nothing comes back")
        time.sleep(SETTLE_S / 4)


def _no_folder(allowed: Allowed) -> str:
    return (
        f"no controller has run with {allowed.folder} since this host booted: is state_dir the one in the "
        "controller's file? Give fence-local --config FILE, or --state-dir"
    )
