"""How far a fence has come, as values: what was refused, what was not done, and how much time is left.

Knows no process, no unit.
"""

from __future__ import annotations

import time
from collections.abc import Callable

PAUSE_S = 0.02


class Refused(Exception):
    """Nothing was touched; the text says why, and what to do."""


class NotDone(Exception):
    """Something was, or may have been, ended, but there is no proof that all of it is; the text says what is left."""


class Deadline:
    """`within_s` seconds from now on, on CLOCK_BOOTTIME: a host that was suspended has used its time."""

    def __init__(self, within_s: float) -> None:
        self._at = time.clock_gettime(time.CLOCK_BOOTTIME) + within_s

    def left_s(self) -> float:
        """Seconds until then, 0.0 when it is over."""
        return max(0.0, self._at - time.clock_gettime(time.CLOCK_BOOTTIME))

    def until(self, condition: Callable[[], bool], what_is_left: Callable[[], str], pause_s: float = PAUSE_S) -> None:
        """Wait for it, looking every `pause_s`. Raises NotDone, with what is left, at the deadline."""
        while not condition():
            if not self.left_s():
                raise NotDone(what_is_left())
            time.sleep(pause_s)
