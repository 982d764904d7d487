"""Whether this node's own loop stood still, or its wall clock jumped: then it should doubt itself, not the others.

The loop tells a tick that should come every `every_s`. Time is read on CLOCK_BOOTTIME, which goes on while the host is
suspended, the process stopped, or the loop starved: all three look alike, a tick that came late. (A hypervisor can
pause a guest in a way that no clock of the guest shows.) What follows from it is others' matter.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

LATE_S = 1.0
JUMP_S = 2.0


@dataclass(frozen=True, slots=True)
class Clocks:
    """Two clocks, read together, in seconds."""

    boot_s: float
    wall_s: float


def read_clocks() -> Clocks:
    """The host's own."""
    return Clocks(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())


class StallWatch:
    """`on_stall(seconds)`: a tick came so much too late. `on_jump(seconds)`: the wall clock was set, forward or back.
    `on_tick(seconds)`: how late each one came, however little; never negative.

    `stalled_s` and `stalls` count since the start. A slow drift of the wall clock is no jump: it is told only if it
    goes beyond `jump_s` between two ticks.
    """

    def __init__(
        self,
        every_s: float,
        on_stall: Callable[[float], None],
        on_jump: Callable[[float], None] = lambda _seconds: None,
        *,
        on_tick: Callable[[float], None] = lambda _seconds: None,
        late_s: float = LATE_S,
        jump_s: float = JUMP_S,
        clocks: Callable[[], Clocks] = read_clocks,
    ) -> None:
        self._every_s = every_s
        self._on_stall = on_stall
        self._on_jump = on_jump
        self._on_tick = on_tick
        self._late_s = late_s
        self._jump_s = jump_s
        self._clocks = clocks
        self._last: Clocks | None = None
        self.stalls = 0
        self.stalled_s = 0.0

    def tick(self) -> None:
        """The loop turns. The first tick is only noted."""
        last, now = self._last, self._clocks()
        self._last = now
        if last is None:
            return
        passed_s = now.boot_s - last.boot_s
        late_s = passed_s - self._every_s
        self._on_tick(max(0.0, late_s))
        if late_s > self._late_s:
            self.stalls += 1
            self.stalled_s += late_s
            self._on_stall(late_s)
        jumped_s = now.wall_s - last.wall_s - passed_s
        if abs(jumped_s) > self._jump_s:
            self._on_jump(jumped_s)
