"""What operators order: pause and resume, drain and undrain, switchovers, forced failovers, stops of a controller;
and what they confirm, where a scenario has the fencing of issue 4: that the last active is off.

They write the control record through some controller's store, as the controllers' own orders do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from failover.core.events import ForceOrdered
from failover.core.values import Confirmation, Control, Crumb, Pause, Role, Switchover
from failover.ports.store import ControlWritten
from tests.simulation.host import Host

if TYPE_CHECKING:
    from tests.simulation.world import World

FIRST_S = 10.0
WATCHFUL = 0.2  # how often an operator comes to a fence
STALE = 0.2


class Operators:
    """Orders something every now and then."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._orders = 0
        self._chance = Random(world.scenario.seed * 8 + 5)
        self._every_s = self._chance.choice((4.0, 10.0, 10.0, 30.0))
        self._kinds: list[Callable[[Host], bool]] = [
            self.pause,
            self.resume,
            self.resume,
            self.drain,
            self.undrain,
            self.switchover,
            self.switchover,
            self.switchover,
            self.force,
            self.stop,
            self.stop_and_keep,
        ]
        fencing = world.scenario.fencing
        self._confirms = Random(f"confirms {world.scenario.seed}") if fencing and fencing.confirms else None
        if self._confirms is not None:
            self._kinds += [self.confirm, self.confirm]
        self.words: set[tuple[str, int, int]] = set()  # what operators have rightly confirmed: node, epoch, version

    def begin(self) -> None:
        self._world.clock.call_later(FIRST_S, self._order)

    def leave(self) -> None:
        """Everything goes on by itself again; now and then one drained node is forgotten."""
        control = self._world.ensemble.records.control
        drained = sorted(control.drained)
        scenario = self._world.scenario
        able = [name for name, yes in zip(scenario.names, scenario.candidates, strict=True) if yes]
        keep = [name for name in drained[:1] if self._chance.random() < 0.3 and len(set(able) - {name}) > 0]
        self._world.ensemble.write_control(replace(control, pause=None, drained=frozenset(keep)))

    def _order(self) -> None:
        world = self._world
        if world.calm:
            return
        self.order_at(self._chance.choice(world.hosts))
        world.clock.call_later(self._chance.expovariate(1 / self._every_s), self._order)

    def order_at(self, host: Host) -> None:
        world = self._world
        kind = self._chance.choice(self._kinds)
        if not world.calm and kind(host):
            world.count(f"order: {kind.__name__.replace('_', ' ')}")
            world.note(host.name, f"ORDER: {kind.__name__}")

    # --- through the control record -------------------------------------------------------------

    def _write(self, host: Host, change: Callable[[Control], Control]) -> bool:
        """Through the controller of a host, from what it knows; somebody may have been quicker."""
        process = host.process
        if process is None or not process.running or process.engine.state.session is None:
            return False
        known = process.engine.state.control
        if known.error or change(known) == known:
            return False
        process.store.write_control(change(known), self._written)
        return True

    def _written(self, answer: ControlWritten) -> None:
        self._world.note("world", f"control: {answer.outcome.value}")

    def pause(self, host: Host) -> bool:
        return self._write(host, lambda control: replace(control, pause=Pause("operator", "work on the network")))

    def resume(self, host: Host) -> bool:
        return self._write(host, lambda control: replace(control, pause=None))

    def drain(self, host: Host) -> bool:
        return self._write(host, lambda control: replace(control, drained=control.drained | {host.name}))

    def undrain(self, host: Host) -> bool:
        if not self._world.ensemble.records.control.drained:
            return False
        return self._write(host, lambda control: replace(control, drained=frozenset()))

    def switchover(self, host: Host) -> bool:
        """From whom the control record's reader believes to be active, now and then under an epoch that is over."""
        process, chance = host.process, self._chance
        record = process.engine.state.crumb.record if process is not None else None
        if record is None:
            return False
        self._orders += 1
        others = [name for name in self._world.scenario.names if name != record.node.name]
        target = chance.choice((None, *others))
        epoch = record.epoch - (chance.random() < 0.1)
        order = Switchover(f"order-{self._orders}", record.node.name, target, epoch, "exercise", "operator")
        return self._write(host, lambda control: replace(control, switchover=order))

    def aim(self, host: Host, role: Role) -> None:
        """Somebody is often there just as a fence runs, or after one has failed."""
        chance, world = self._confirms, self._world
        if chance is None or world.calm or role not in (Role.FENCING, Role.OUT) or chance.random() >= WATCHFUL:
            return

        def come() -> None:
            if not world.calm and self.confirm(host):
                world.count("order: confirm, as the fence ran or had failed")

        world.clock.call_later(chance.random() * 3.0, come)

    def confirm(self, host: Host) -> bool:
        """They make sure: the host that a controller knows to be the last active loses its power; then they say so.

        It may come up again by itself. Now and then the order is an old one, given again without making sure: it
        names an older version, and must not count.
        """
        process, world = host.process, self._world
        crumb = process.engine.state.crumb if process is not None and process.running else None
        if crumb is None or crumb.record is None or crumb.record.node == host.node or crumb.record.clean:
            return False
        stale = self._confirms is not None and not world.calm and self._confirms.random() < STALE
        if stale:
            crumb = Crumb(crumb.record, crumb.version - 1)
        else:
            self._make_sure(crumb)
        record = crumb.record
        assert record is not None
        word = Confirmation(record.node, record.epoch, crumb.version, "operator", "pulled its plug")
        return self._write(host, lambda control: replace(control, confirmed=word))

    def _make_sure(self, crumb: Crumb) -> None:
        record = crumb.record
        assert record is not None
        self._world.power_off(self._world.host_named(record.node.name), "by an operator")
        if self._world.ensemble.records.crumb.version == crumb.version:  # else it was old news already
            self.words.add((record.node.name, record.epoch, crumb.version))

    # --- to one controller ----------------------------------------------------------------------

    def force(self, host: Host) -> bool:
        process = host.process
        if process is None or not process.started:
            return False
        process.gate.deliver(lambda: process.post(ForceOrdered("operator")))
        return True

    def stop(self, host: Host) -> bool:
        return self._stop(host, keep=False)

    def stop_and_keep(self, host: Host) -> bool:
        return self._stop(host, keep=True)

    def _stop(self, host: Host, keep: bool) -> bool:
        process = host.process
        if process is None or not process.started:
            return False
        self._world.hamper(host)
        process.stop(keep)
        return True
