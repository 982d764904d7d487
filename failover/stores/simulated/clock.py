"""The clock that a simulated store is driven by, and one that is moved by hand.

Deliberately unknown here: stores.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Protocol


class Cancellable(Protocol):
    """A call that has not been made yet."""

    def cancel(self) -> None:
        """Do not make it. Nothing happens when it has been made."""


class Clock(Protocol):
    """Time in seconds, and calls at a later time. Calls due at the same time are made in the order of asking."""

    def now(self) -> float:
        """Seconds since some beginning."""

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Cancellable:
        """Call `callback` in `delay_s` seconds; never within this call, also with 0."""


class _Call:
    __slots__ = ("callback", "due_s", "turn")

    def __init__(self, due_s: float, turn: int, callback: Callable[[], None]) -> None:
        self.due_s = due_s
        self.turn = turn
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None

    def __lt__(self, other: _Call) -> bool:
        return (self.due_s, self.turn) < (other.due_s, other.turn)


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s
        self._turn = 0
        self._calls: list[_Call] = []

    def now(self) -> float:
        return self._now_s

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Cancellable:
        self._turn += 1
        call = _Call(self._now_s + max(0.0, delay_s), self._turn, callback)
        heapq.heappush(self._calls, call)
        return call

    def next_due(self) -> float | None:
        """When the next call is to be made; None when there is none."""
        while self._calls and self._calls[0].callback is None:
            heapq.heappop(self._calls)
        return self._calls[0].due_s if self._calls else None

    def step(self) -> bool:
        """Move to the next call and make it; False when there is none."""
        due_s = self.next_due()
        if due_s is None:
            return False
        callback = heapq.heappop(self._calls).callback
        self._now_s = max(self._now_s, due_s)
        if callback is not None:
            callback()
        return True

    def run_until(self, time_s: float) -> None:
        """Make every call that is due by then, and let it be that time."""
        while (due_s := self.next_due()) is not None and due_s <= time_s:
            self.step()
        self._now_s = max(self._now_s, time_s)
