"""Fail-stop (S10): a controller whose loop is stuck ends itself, so that its supervisor restarts it.

A thread counts its own short sleeps during which the loop did not beat. Counting sleeps, not seconds, means that a
process which was stopped (SIGSTOP) and woken is not taken for stuck: it slept as little as its loop did.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

SLICE_S = 2.0
MOST_MISSED = 10


class LoopWatchdog:
    """Calls `stuck` (from its own thread) when `beats` has stood still for too many slices."""

    def __init__(self, beats: Callable[[], int], stuck: Callable[[], None], slice_s: float = SLICE_S) -> None:
        self._beats = beats
        self._stuck = stuck
        self._slice_s = slice_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="loop-watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2 * self._slice_s)

    def _watch(self) -> None:
        last, missed = self._beats(), 0
        while not self._done.wait(self._slice_s):
            now = self._beats()
            missed = missed + 1 if now == last else 0
            last = now
            if missed >= MOST_MISSED:
                self._stuck()
                return
