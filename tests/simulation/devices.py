"""The power switches of the doubting scenarios: right, wired to another host or to nothing, stuck, slow, silent, lying.

A device's status is true of *its* outlet, whichever host hangs on it (a liar has none to show, or a made-up one).

Out of reach of every rule: a device that has said ON for a node, takes no power from it and still answers done, while
that node lives, cut off from whoever strikes. Nobody can see the difference. The one place that decides whether a host
answers a look (`Devices.answers`) therefore lets such a host answer always, and counts it.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from failover.core.values import Verdict
from failover.ports.service import Result
from tests.simulation.host import Host
from tests.simulation.wiring import Wiring

if TYPE_CHECKING:
    from tests.simulation.world import World

SOON_S = (0.2, 1.5)
LATE_S = (3.0, 14.0)  # mostly after the strike's own deadline, often after the whole attempt


class Devices:
    """One switch for each host."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = Random(f"devices {world.scenario.seed}")
        wirings = world.scenario.fencing.wirings if world.scenario.fencing else ()
        self._wiring = dict(zip(world.scenario.names, wirings, strict=False))
        names = world.scenario.names
        self._behind = {name: names[(index + 1) % len(names)] for index, name in enumerate(names)}
        self._said_on: set[tuple[str, int, str]] = set()  # striker, its boot, target: what really was said to it

    def wiring_of(self, name: str) -> Wiring:
        return self._wiring[name]

    def mend(self) -> None:
        """Somebody has looked at the cables: no innocent host loses its power once all is calm."""
        for name, wiring in self._wiring.items():
            if wiring is Wiring.OTHER:
                self._wiring[name] = Wiring.ABSENT

    def status(self, striker: Host, target: str) -> Verdict:
        """DONE: it says ON. NOT_DONE: it says OFF. UNKNOWN: it says nothing."""
        wiring = self._wiring[target]
        if wiring is Wiring.SILENT:
            return Verdict.UNKNOWN
        if wiring is Wiring.ABSENT:
            return Verdict.NOT_DONE
        on = wiring is Wiring.LIAR or self._outlet(target).powered
        if on:
            self._said_on.add((striker.name, striker.boots, target))
        return Verdict.DONE if on else Verdict.NOT_DONE

    def has_said_on(self, striker: Host, target: str) -> bool:
        """As the world knows it: since this boot of the striker, whose state folder does not outlive it."""
        return (striker.name, striker.boots, target) in self._said_on

    def strike(self, striker: Host, target: str, answer: Callable[[Result], None]) -> None:
        """Switch off. What has been accepted happens, whatever becomes of the controller that ordered it."""
        world, wiring = self._world, self._wiring[target]
        after_s, luck = self._chance.uniform(*SOON_S), self._chance.random()
        if world.calm:
            luck = 0.0
        saw_on = self.status(striker, target) is Verdict.DONE
        world.count(f"struck: {wiring.value}")
        if wiring is Wiring.SILENT:
            return
        if wiring in (Wiring.ABSENT, Wiring.LIAR):
            self._later(after_s, lambda: answer(Result(Verdict.DONE, "exit 0", saw_on)))
        elif wiring is Wiring.STUCK:
            self._later(after_s, lambda: answer(Result(Verdict.UNKNOWN, "accepted, and it still says ON", saw_on)))
        elif luck < 0.6:
            self._later(after_s, lambda: self._off(target, saw_on, answer))
        elif luck < 0.8:
            world.count("struck: slow")
            self._later(self._chance.uniform(*LATE_S), lambda: self._off(target, saw_on, answer))
        elif luck < 0.88:
            self._later(after_s, lambda: answer(Result(Verdict.NOT_DONE, "refused", saw_on)))
        elif luck < 0.94:
            self._later(after_s, lambda: answer(Result(Verdict.UNKNOWN, "what it said is unclear", saw_on)))
        else:
            self._later(after_s, lambda: world.power_off(self._outlet(target), "fenced, unsaid"))

    def answers(self, asker: Host, name: str) -> bool:
        """Whether a look at that host finds something alive."""
        host, now_s = self._world.host_named(name), self._world.clock.now_s()
        if not host.powered:
            return False
        if max(host.reachable_s, asker.reachable_s) <= now_s and not host.gate.stopped:
            return True
        if self._wiring[name] in (Wiring.OTHER, Wiring.LIAR):
            self._world.count("out of reach: a device that said ON lies of a node that is cut off")
            return True
        return False

    def _outlet(self, target: str) -> Host:
        other = self._wiring[target] is Wiring.OTHER
        return self._world.host_named(self._behind[target] if other else target)

    def _off(self, target: str, saw_on: bool, answer: Callable[[Result], None]) -> None:
        self._world.power_off(self._outlet(target), "fenced")
        answer(Result(Verdict.DONE, "exit 0", saw_on))

    def _later(self, delay_s: float, callback: Callable[[], None]) -> None:
        self._world.clock.call_later(delay_s, callback)
