"""`kind: systemd`: a unit is active; its end is heard of at once, by a signal on D-Bus, not by a poll.

The poll is the fallback: it finds what a lost connection has missed, and subscribes again. A bus that does not answer
says nothing about the service: UNKNOWN. Knows nothing of who starts and stops the unit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from failover.core.values import Health
from failover.ports.service import Finding
from failover.support.control_groups import ControlGroupError, processes_in
from failover.support.systemd_bus import BusLostError, RefusedError, SystemdBus, UnitState
from healthcheck.asking import AskingProbe
from healthcheck.timing import Timing

SERVING = ("active", "reloading", "refreshing")
"""A unit that reloads goes on serving meanwhile."""
OWN_SHARE = 0.8
"""Of the time-out: our own deadline comes before the monitor's, which would be held against the service."""


class SystemdProbe(AskingProbe):
    """Watches one unit. `processes`: the pids in a control group."""

    def __init__(
        self, bus: SystemdBus, unit: str, timing: Timing, processes: Callable[[str], list[int]] = processes_in
    ) -> None:
        super().__init__(f"systemd {unit}", timing)
        self._bus = bus
        self._unit = unit
        self._processes = processes
        self._tell: Callable[[Finding], None] | None = None
        self._path = ""
        self._group = ""

    def watch(self, tell: Callable[[Finding], None]) -> None:
        """Report the end of the unit at once. The subscription is made by the checks, and made anew by them."""
        self._tell = tell

    def close(self) -> None:
        """Hear of it no more."""
        self._tell = None
        self._bus.unsubscribe(self._path, self._changed)

    async def check(self) -> Finding:
        """HEALTHY while it is active or reloads."""
        until = asyncio.get_running_loop().time() + self.timeout_s * OWN_SHARE
        try:
            return self._found(await self._look(until))
        except BusLostError as error:
            return Finding(Health.UNKNOWN, f"not asked: {error}")
        except RefusedError as error:
            return Finding(Health.UNKNOWN, f"systemd does not say: {error}")

    async def _look(self, until: float) -> UnitState:
        loop = asyncio.get_running_loop()
        state = await self._bus.state(self._unit, until - loop.time())
        if self._tell is not None and not self._bus.hears(state.path, self._changed):
            self._path = state.path
            await self._bus.subscribe(state.path, self._changed, until - loop.time())
            state = await self._bus.state(self._unit, until - loop.time())  # it may have ended in between
        if state.active in SERVING and not self._group:
            self._group = await self._bus.read(state.path, "Service", "ControlGroup", until - loop.time())
        return state

    def _found(self, state: UnitState) -> Finding:
        if state.load == "not-found":
            hint = "is `unit` spelt as systemctl spells it?"
            return Finding(Health.NOT_RESPONDING, f"there is no unit {self._unit} on this host: {hint}")
        return self._judged(state.active, state.sub)

    def _judged(self, active: str, sub: str) -> Finding:
        """While it starts or stops it cannot serve, but there is something of it. A restart by systemd is an end."""
        words = f"{active} ({sub})"
        if active in SERVING:
            return Finding(Health.HEALTHY, words, there=True)
        if not _has_ended(active, sub):
            return Finding(Health.NOT_RESPONDING, words, there=True)
        left = self._left()
        if left:
            return Finding(Health.NOT_RESPONDING, f"{words}, but {left}", there=True)
        return Finding(Health.NOT_RESPONDING, words, absent=True)

    def _left(self) -> str:
        """What runs on in its control group, in words: systemd does not end everything under every KillMode=."""
        try:
            pids = self._processes(self._group) if self._group else []
        except ControlGroupError as error:
            return f"what is left of it cannot be seen: {error}"
        return f"of its processes these run on: {', '.join(map(str, pids[:5]))}" if pids else ""

    def _changed(self, active: str, sub: str) -> None:
        """A signal. Only ends are told at once; all else is the next check's."""
        if self._tell is not None and _has_ended(active, sub):
            found = self._judged(active, sub)
            gone, there = found.absent, found.there
            self._tell(Finding(found.health, found.detail, gone=gone, there=there, at_once=there))


def _has_ended(active: str, sub: str) -> bool:
    return active in ("inactive", "failed") or (active == "activating" and sub == "auto-restart")
