"""Ends a pause whose time has come.

By the wall clock of whichever controller is first: an order that people give for people, on which no safety rule rests.
What `resume` does it does too, and nothing else. Unknown here: what moves then.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from failover.core.state import State
from failover.core.values import Control, Pause
from failover.ports.controller import OrderRefused
from failover.runtime.reports import log
from failover.support.wall_time import at_s

AGAIN_S = 10.0


def end_after(seconds: float) -> str:
    """The wall time in so many seconds, as `Pause.until` has it."""
    return datetime.fromtimestamp(time.time() + seconds, UTC).isoformat(timespec="seconds")


class PauseEnds:
    """`end` takes exactly that pause out of the control record; it raises OrderRefused."""

    def __init__(
        self,
        state: Callable[[], State],
        end: Callable[[Pause], Awaitable[Control]],
        now_s: Callable[[], float],
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._end = end
        self._now_s = now_s
        self._wall_s = wall_s
        self._tried: Pause | None = None
        self._tried_s = 0.0

    def due(self) -> Pause | None:
        """The pause to end now, if there is one. The same is tried again only ten seconds later."""
        state = self._state()
        pause = state.control.pause
        end_s = at_s(pause.until) if pause is not None and state.connected else None
        if end_s is None or self._wall_s() < end_s:
            return None
        return None if pause == self._tried and self._now_s() < self._tried_s + AGAIN_S else pause

    async def end(self, pause: Pause) -> None:
        """End it. A store that does not answer is told in the log, and asked again."""
        self._tried, self._tried_s = pause, self._now_s()
        try:
            control = await self._end(pause)
        except OrderRefused as refused:
            log.warning("the pause of %s is over, but could not be ended: %s; it is tried again", pause.by, refused)
            return
        if control.pause is None:
            log.info("the pause of %s is over (%s): automatic moves are on again", pause.by, pause.until)
