"""The demo's client: it writes all the while, remembers what was acknowledged, and what it saw when nobody answered.

Finds the active by trying: an instance that is no active refuses at once. Knows nothing of controllers.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from failover.demo.doors import Door, Refused

PAUSE_S = 0.002
RING = 50_000  # so many keys, used over and over: a demo that is left running must not fill the memory
REMEMBERED_OUTAGES = 50


@dataclass(frozen=True, slots=True)
class Outage:
    """From the last write that was accepted to the next one; times in seconds, wall clock. `why`: the first refusal."""

    source: str
    last_accepted_at: float
    first_refused_at: float
    why: str
    target: str
    first_accepted_at: float

    @property
    def ms(self) -> float:
        """How long no write was accepted."""
        return (self.first_accepted_at - self.last_accepted_at) * 1000


@dataclass(frozen=True, slots=True)
class Instance:
    """Where an instance of the service is knocked at."""

    node: str
    knock: Callable[[], Door]


class Writer(threading.Thread):
    """Writes numbers, one after another, until it is stopped."""

    def __init__(self, instances: Sequence[Instance]) -> None:
        super().__init__(name="writer", daemon=True)
        self._instances = deque(instances)
        self._doors: dict[str, Door] = {}
        self._ending = threading.Event()
        self._guard = threading.Lock()
        self._newest: dict[str, int] = {}
        self._refused_at = 0.0
        self._why = ""
        self._served_by = ""
        self._accepted_at = 0.0
        self.number = 0
        self.acknowledged = 0
        self.outages: deque[Outage] = deque(maxlen=REMEMBERED_OUTAGES)

    def run(self) -> None:
        """Write until told to stop."""
        while not self._ending.is_set():
            self._write()
            self._ending.wait(PAUSE_S)

    def stop(self) -> None:
        """Stop, and wait for the write under way."""
        self._ending.set()
        if self.ident is not None:
            self.join()
        for node in list(self._doors):
            self._leave(node)

    def seen(self) -> tuple[str, float]:
        """Which node took the last accepted write, and when."""
        with self._guard:
            return self._served_by, self._accepted_at

    def since(self, moment: float) -> list[Outage]:
        """The outages that ended after that moment."""
        with self._guard:
            return [outage for outage in self.outages if outage.first_accepted_at >= moment]

    def newest(self) -> dict[str, int]:
        """The last acknowledged value of each key."""
        with self._guard:
            return dict(self._newest)

    def _write(self) -> None:
        """Try the node that took the last one, then the others."""
        self.number += 1
        key = f"w{self.number % RING}"
        for _ in range(len(self._instances)):
            instance = self._instances[0]
            try:
                written = self._door(instance).write(key, self.number)
            except (OSError, Refused, ValueError) as error:
                if not isinstance(error, Refused):
                    self._leave(instance.node)
                self._note_refusal(instance.node, getattr(error, "strerror", None) or str(error))
                self._instances.rotate(-1)
                continue
            self._note(instance.node, written.at)
            if written.acknowledged:
                with self._guard:
                    self._newest[key] = self.number
                    self.acknowledged += 1
            return

    def _door(self, instance: Instance) -> Door:
        if instance.node not in self._doors:
            self._doors[instance.node] = instance.knock()
        return self._doors[instance.node]

    def _leave(self, node: str) -> None:
        door = self._doors.pop(node, None)
        if door is not None:
            door.close()

    def _note_refusal(self, node: str, why: str) -> None:
        if not self._refused_at and node == self._served_by:
            self._refused_at, self._why = time.time(), why

    def _note(self, node: str, accepted_at: float) -> None:
        with self._guard:
            if self._refused_at:
                refused_at, self._refused_at = self._refused_at, 0.0
                self.outages.append(
                    Outage(self._served_by, self._accepted_at, refused_at, self._why, node, accepted_at)
                )
            self._served_by, self._accepted_at = node, accepted_at


def lost(newest: dict[str, int], found: dict[str, int]) -> list[str]:
    """The keys whose last acknowledged value is not there: neither it nor a later one."""
    return [key for key, value in newest.items() if found.get(key, -1) < value]
