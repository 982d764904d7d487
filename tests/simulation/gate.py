"""What runs on a machine can be stopped (SIGSTOP, a frozen virtual machine) between any two steps, and killed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tests.simulation.clock import HeapClock, Timer


class GatedTimer:
    """A timer whose callback passes a gate; cancelling it also takes it out of the gate's backlog."""

    __slots__ = ("_callback", "_gate", "_timer", "cancelled")

    def __init__(self, gate: Gate, clock: HeapClock, delay_s: float, callback: Callable[[], None]) -> None:
        self._gate = gate
        self._callback = callback
        self.cancelled = False
        self._timer: Timer = clock.call_later(delay_s, self._due)

    def cancel(self) -> None:
        self.cancelled = True
        self._timer.cancel()

    def _due(self) -> None:
        self._gate.deliver(self._fire)

    def _fire(self) -> None:
        if not self.cancelled:
            self._callback()


class Gate:
    """Lets callbacks through while open; keeps them, in order, while stopped; drops them once dead."""

    def __init__(self, clock: HeapClock, outer: Gate | None = None) -> None:
        self._clock = clock
        self._outer = outer
        self._inner: list[Gate] = []
        if outer is not None:
            outer._inner.append(self)
        self._backlog: deque[Callable[[], None]] = deque()
        self._stopped = False
        self.dead = False

    @property
    def stopped(self) -> bool:
        return self._stopped or (self._outer is not None and self._outer.stopped)

    def stop(self) -> None:
        self._stopped = True

    def go_on(self) -> None:
        """Let through what waits, in its order, unless something on the way stops or kills us again."""
        self._stopped = False
        self._drain()
        for inner in list(self._inner):
            inner._drain()

    def die(self) -> None:
        self.dead = True
        self._backlog.clear()
        if self._outer is not None and self in self._outer._inner:
            self._outer._inner.remove(self)

    def deliver(self, callback: Callable[[], None]) -> None:
        if self.dead:
            return
        if self._backlog or self.stopped:
            self._backlog.append(callback)
        else:
            callback()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> GatedTimer:
        return GatedTimer(self, self._clock, delay_s, callback)

    def now_s(self) -> float:
        return self._clock.now_s()

    def _drain(self) -> None:
        while self._backlog and not self.stopped and not self.dead:
            self._backlog.popleft()()
