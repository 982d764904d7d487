"""When facts about a cluster ended, each between two moments of CLOCK_MONOTONIC, so that their order can be told.

An observer is always late, and a little uncertain: both moments are kept, and a test compares the ones that are
against it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

ASK_EVERY_S = 0.002


@dataclass
class Turn:
    """A fact that ends once, in seconds: it stood when asked at `stood_at`, it was over when told at `over_at`."""

    stood_at: float = 0.0
    over_at: float | None = None


class Observer:
    """Asks of facts all the while, each in a thread of its own, until each has ended or the block is left."""

    def __init__(self, **facts: Callable[[], bool]) -> None:
        self.turns = {name: Turn() for name in facts}
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._watch, args=(self.turns[n], fact)) for n, fact in facts.items()]

    def __enter__(self) -> Observer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def stands(self, name: str) -> bool:
        """Whether that fact has not ended yet."""
        return self.turns[name].over_at is None

    def is_before(self, earlier: str, later: str) -> bool:
        """Whether one fact had certainly ended while the other still stood."""
        over_at = self.turns[earlier].over_at
        return over_at is not None and over_at < self.turns[later].stood_at

    def told(self) -> str:
        """The moments, after the first of them."""
        start = min(turn.stood_at for turn in self.turns.values())
        ends = {name: turn.over_at and round(turn.over_at - start, 3) for name, turn in self.turns.items()}
        return ", ".join(
            f"{name} stood at {turn.stood_at - start:.3f}, over {ends[name]}" for name, turn in self.turns.items()
        )

    def _watch(self, turn: Turn, stands: Callable[[], bool]) -> None:
        while not self._done.wait(ASK_EVERY_S):
            asked_at = time.monotonic()
            if not stands():
                turn.over_at = time.monotonic()
                return
            turn.stood_at = asked_at
