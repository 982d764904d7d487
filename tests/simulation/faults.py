"""When something befalls the cluster, whom, and what: now and then, and aimed at the roles that last only shortly.

What is drawn here does not depend on what the controllers do: the same seed brings the same faults at the same times.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from failover.core.values import Role
from tests.simulation.host import Host
from tests.simulation.host_faults import HostFaults
from tests.simulation.lasting import Fault, Lasting
from tests.simulation.store_faults import StoreFaults

if TYPE_CHECKING:
    from tests.simulation.world import World

FIRST_S = 4.0
AIMED = (Role.CAMPAIGNING, Role.FENCING, Role.CLAIMING, Role.PROMOTING, Role.DEMOTING, Role.STARTING)


class Faults:
    """Draws a fault every now and then."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._timeline, self._aiming, details = (Random(world.scenario.seed * 8 + stream) for stream in (2, 3, 4))
        self._lasting = Lasting(world, details)
        self.of_hosts = HostFaults(world, self._lasting, details)
        self.of_store = StoreFaults(world, self._lasting, details)
        kinds = {**self.of_hosts.kinds(), **self.of_store.kinds()}
        self._kinds, self._weights = list(kinds), list(kinds.values())

    def begin(self) -> None:
        self._world.clock.call_later(FIRST_S, self._strike)

    def _strike(self) -> None:
        world, timeline = self._world, self._timeline
        if world.calm:
            return
        fault = timeline.choices(self._kinds, self._weights)[0]
        self._try(fault, self._victim(timeline))
        world.clock.call_later(timeline.expovariate(1 / world.scenario.harshness_s), self._strike)

    def _victim(self, chance: Random) -> Host:
        """Mostly whoever matters most: the holder of the lock."""
        lock = self._world.ensemble.records.lock
        anyone, holder = chance.choice(self._world.hosts), chance.random() < 0.5
        return self._world.host_named(lock.node) if lock is not None and holder else anyone

    def _try(self, fault: Fault, host: Host) -> None:
        world = self._world
        if not world.calm and fault(host):
            kind = fault.__name__.replace("_", " ")
            world.count(kind)
            world.note(host.name, f"FAULT: {kind}")

    def aim(self, host: Host, role: Role) -> None:
        """Some roles last only for milliseconds: now and then something is aimed right at them."""
        world, chance = self._world, self._aiming
        if role not in AIMED or world.calm:
            return
        world.network.release(host)
        if chance.random() < (0.15 if role is Role.FENCING else 0.06):
            self._try(self._sharpest(host, role), host)
        if chance.random() < 0.12:
            after_s = chance.random() * chance.choice((0.012, 0.012, 0.5))
            fault = chance.choices(self._kinds, self._weights)[0]
            ordered = chance.random() < 0.3
            world.clock.call_later(
                after_s, lambda: world.operators.order_at(host) if ordered else self._try(fault, host)
            )

    def _sharpest(self, host: Host, role: Role) -> Fault:
        """What is hardest to get right in that role."""
        if role is Role.FENCING:
            return self.of_store.session_is_replaced_silently
        if role is Role.CAMPAIGNING:
            return self.of_store.breadcrumb_is_touched if host.service.active else self.of_store.reply_is_lost
        return self.of_hosts.controller_is_stopped

    def heal(self) -> None:
        """Everything that still lasts is over now."""
        self._lasting.end()
        for host in self._world.hosts:
            host.reachable_s = 0.0
            host.service.recover()
            if host.service.flipped:
                host.service.flip(active=False)
            self.of_hosts.bring_back(host)
