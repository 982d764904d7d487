"""Whether this user may steer the unit at all: to be known before a failover, not in one.

Asked by a stop of a unit that is down, which changes nothing; polkit answers no such question to who is not root. One
that is up is not touched: what may not be done to it is heard of when it is tried.
"""

from __future__ import annotations

import os

from failover.support.systemd_bus import BusLostError, ForbiddenError, RefusedError, SystemdBus


class Rights:
    """`bar`: why this node is no candidate, or "". `root` need not ask."""

    def __init__(self, bus: SystemdBus, unit: str, root: bool | None = None) -> None:
        self._bus = bus
        self._unit = unit
        self._asked = os.geteuid() == 0 if root is None else root
        self.bar = ""

    async def ask_once(self) -> None:
        """At the start, before anything is promoted."""
        if not self._asked:
            self._asked = True
            await self._ask()

    async def ask_again(self) -> None:
        """While barred, nothing is promoted that this stop could meet."""
        if self.bar:
            await self._ask()

    async def _ask(self) -> None:
        try:
            state = await self._bus.state(self._unit)
            if state.load != "loaded" or not state.down or state.job:
                return
            # After a reload a promote may begin just now: its job must not give way to ours.
            await self._bus.run_job("Stop", self._unit, 2.0, "fail")
        except ForbiddenError as error:
            self.bar = f"stop {self._unit}: systemd refused: {error}"
        except (BusLostError, RefusedError):
            return
        else:
            self.bar = ""
