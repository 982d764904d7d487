"""Faults that last for a while, and end at the latest when all is healed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from tests.simulation.host import Host

if TYPE_CHECKING:
    from tests.simulation.world import World

Fault = Callable[[Host], bool]


class Lasting:
    """What lasts, and how it ends."""

    def __init__(self, world: World, chance: Random) -> None:
        self._world = world
        self._chance = chance
        self._healing: list[Callable[[], None]] = []

    def begin(
        self, host: Host, least_s: float, most_s: float, heal: Callable[[], None], hampered: bool = False
    ) -> None:
        """`heal` is called once. `hampered`: until then the host's controller can do nothing."""
        world, over = self._world, False
        blame = world.hamper if hampered else world.disturb
        blame(host)

        def once() -> None:
            nonlocal over
            if not over:
                over = True
                blame(host)
                heal()

        self._healing.append(once)
        world.clock.call_later(self._chance.uniform(least_s, most_s), once)

    def end(self) -> None:
        """Everything that still lasts is over now."""
        for heal in self._healing:
            heal()
        self._healing.clear()
