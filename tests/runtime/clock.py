"""A clock that stands still until it is told to go on, and the timers that hang on it."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Timer:
    """A callback that will come, unless it is cancelled."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """It will not come."""
        self.cancelled = True


class ManualClock:
    """Seconds that pass only by `pass_s`."""

    def __init__(self) -> None:
        self._now_s = 100.0
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = 0

    def now_s(self) -> float:
        """The time."""
        return self._now_s

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call back when so many seconds have passed."""
        self._count += 1
        timer = Timer(callback)
        heapq.heappush(self._timers, (self._now_s + delay_s, self._count, timer))
        return timer

    def pass_s(self, seconds: float) -> None:
        """Let time pass; what comes due in it is called in order."""
        end_s = self._now_s + seconds
        while self._timers and self._timers[0][0] <= end_s:
            self._now_s, _, timer = heapq.heappop(self._timers)
            if not timer.cancelled:
                timer.callback()
        self._now_s = end_s

    def sleep_s(self, seconds: float) -> None:
        """The host sleeps: the clock goes on, timers stand still (CLOCK_BOOTTIME against the loop's clock)."""
        self._now_s += seconds
        self._timers = [(due_s + seconds, count, timer) for due_s, count, timer in self._timers]

    @property
    def waiting(self) -> int:
        """How many timers have still to come."""
        return sum(not timer.cancelled for _, _, timer in self._timers)
