"""What systemd is told (sd_notify(3)): ready once the election is joined, what this node is and why, and that it lives.

One datagram at a time to the socket that systemd names; nothing is waited for, and a message that cannot be sent is
lost. Where no supervisor listens nothing is sent. Deliberately unknown here: what follows from any of it.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

from failover.api.judgement import ready
from failover.ports.controller import Controller, Snapshot

LONGEST_STATUS = 200
BEATS_PER_WATCHDOG = 3
JOINING_EVERY_S = 0.1


class Supervisor:
    """The process that listens at $NOTIFY_SOCKET. `watchdog_s`: it wants a sign of life this often; None: not."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self.watchdog_s = _watchdog_s(environment) if self._address else None

    @property
    def listens(self) -> bool:
        """Whether there is one."""
        return bool(self._address)

    def tell(self, *lines: str) -> bool:
        """Send some of sd_notify's assignments at once; False if nobody takes them."""
        if not self._address:
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sending:
            try:
                sending.setblocking(False)
                sending.sendto("\n".join(lines).encode("utf-8", "replace"), self._address)
            except OSError:
                return False
        return True


class Teller:
    """Tells the supervisor how the controller stands. `beat` must be called by the event loop, and by nothing else."""

    def __init__(self, controller: Controller, supervisor: Supervisor) -> None:
        self._controller = controller
        self._supervisor = supervisor
        self._told = ""
        self._is_ready = False

    @property
    def every_s(self) -> float:
        """How often `beat` wants to be called."""
        if not self._is_ready and self._supervisor.listens:
            return JOINING_EVERY_S
        watchdog_s = self._supervisor.watchdog_s
        return 1.0 if watchdog_s is None else min(1.0, watchdog_s / BEATS_PER_WATCHDOG)

    def beat(self) -> None:
        """The loop turns: say so, and what has changed."""
        snapshot = self._controller.snapshot()
        lines = [] if self._supervisor.watchdog_s is None else ["WATCHDOG=1"]
        if not self._is_ready and ready(snapshot, self._controller.now_s()).ok:
            self._is_ready = True
            lines.append("READY=1")
        status = status_of(snapshot, self._is_ready)
        if status != self._told:
            self._told = status
            lines.append(f"STATUS={status}")
        if lines:
            self._supervisor.tell(*lines)

    def reloading(self) -> None:
        """A reload begins; `reloaded` must follow."""
        self._supervisor.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def reloaded(self) -> None:
        """A reload has ended, however."""
        if self._is_ready:
            self._supervisor.tell("READY=1")

    def stopping(self, why: str) -> None:
        """The controller ends."""
        self._supervisor.tell("STOPPING=1", f"STATUS={_one_line(why)}")


def status_of(snapshot: Snapshot, is_ready: bool) -> str:
    """`active under epoch 7: why`, in one line; what must be done comes first."""
    role = f"active under epoch {snapshot.epoch}" if snapshot.role == "active" else str(snapshot.role)
    words = f"{role}: {snapshot.why}"
    if snapshot.blocked:
        words = f"BLOCKED, {role}: {snapshot.blocked}"
    elif not snapshot.connected:
        words = f"{words} (the store does not answer)"
    return _one_line(words if is_ready else f"joining, {words}")


def _one_line(words: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in words)[:LONGEST_STATUS]


def _address(written: str) -> str:
    """A path, or `@name` in the abstract namespace; others (a vsock) are not for us."""
    if written.startswith("@"):
        return "\0" + written[1:]
    return written if written.startswith("/") else ""


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """WATCHDOG_USEC, if it is meant for this process."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        microseconds = int(environment.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 else None
