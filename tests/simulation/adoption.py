"""Adoption in the simulation: the runtime's own, with a disk in place of the session file and the gate of a process.

A reboot loses what is kept. Some controllers find nothing although there was something: the file was refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from failover.core.events import Event, SessionAdopted
from failover.runtime.adoption import Adoption, Kept

if TYPE_CHECKING:
    from tests.simulation.process import Process

REFUSED = 0.2  # how often the file is refused


class AdoptionEdge:
    """What adoption needs of the edge."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def now_s(self) -> float:
        return self._process.gate.now_s()

    def from_thread(self, answer: Callable[[Any], None]) -> Callable[[Any], None]:
        return lambda said: self._process.gate.deliver(lambda: answer(said))

    def lock_adopted(self, sent_s: float, crumb: object) -> None:
        self._process.edge.lock_adopted(sent_s, crumb)


def adoption_of(process: Process) -> Adoption | None:
    """The controller's; None where this cluster has none."""
    if not process.scenario.adoption:
        return None
    disk = process.host.disk
    refused = disk.kept.session is not None and process.chance.random() < REFUSED
    if refused:
        disk.kept = Kept()

    def write(kept: Kept) -> None:
        disk.kept = kept

    within_s = process.world.settings_of(process.host).within_s
    return Adoption(process.store, AdoptionEdge(process), disk.kept, write, within_s)


def count(process: Process, event: Event) -> None:
    """How often a session was re-attached."""
    if isinstance(event, SessionAdopted):
        process.host.count("adoption trusted" if event.trusted else "adoption refused")
