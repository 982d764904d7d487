"""Simulated time: a heap of callbacks. Nothing in the simulation knows any other clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Timer:
    """A callback that will be made unless it is cancelled."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None  # and with it everything that it holds


class HeapClock:
    """Seconds since the simulation began, and what is to happen when. Same time: in the order of asking."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._heap: list[tuple[float, int, Timer]] = []
        self._asked = 0

    def now_s(self) -> float:
        return self._now_s

    def now(self) -> float:
        """The same, for the simulated store."""
        return self._now_s

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(callback)
        self._asked += 1
        heapq.heappush(self._heap, (self._now_s + delay_s, self._asked, timer))
        return timer

    def run_until(self, end_s: float, enough: Callable[[], bool]) -> None:
        """Let things happen until `end_s`, or until `enough` says so."""
        heap = self._heap
        while heap and heap[0][0] <= end_s:
            at_s, _, timer = heapq.heappop(heap)
            callback = timer.callback
            if callback is None:
                continue
            self._now_s = at_s
            callback()
            if enough():
                return
        self._now_s = end_s
