"""One life of a controller: the real engine and lease, around them the simulated edge, monitor and store."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from failover.core.events import Event, SettingsChanged, Stalled, Started, StopRequested
from failover.core.state import State
from failover.core.step import Step
from failover.core.values import Lock, ServiceRole
from failover.ports.store import Renewal
from failover.runtime.engine import Engine
from failover.runtime.lease import Lease
from tests.simulation.adoption import adoption_of, count
from tests.simulation.doubt import Prober
from tests.simulation.edge import SimulatedEdge
from tests.simulation.gate import Gate
from tests.simulation.host import Host
from tests.simulation.loop import SimulatedLoop
from tests.simulation.monitor import Monitor

if TYPE_CHECKING:
    from tests.simulation.world import World


RELOADS = 0.05  # of each change of role


class Process:
    """A controller from its start to its end."""

    def __init__(self, world: World, host: Host) -> None:
        self.world = world
        self.host = host
        self.scenario = world.scenario
        self.chance = world.chance
        self.started = False
        self.started_s = world.clock.now_s()
        self.gate = Gate(world.clock, host.gate)
        self.edge = SimulatedEdge(self)
        self.loop = SimulatedLoop(self.gate, self._connect)
        self.prober = Prober(self) if self.scenario.fencing else None
        self.store = world.new_store(host, self)
        self.store.connect(lambda event: self.gate.deliver(lambda: self.post(event)))
        state = State(host.identity, world.settings_of(host))
        self.adoption = adoption_of(self)
        self.engine = Engine(state, self.edge, self._observe, self.adoption.keep if self.adoption else None)
        if self.adoption is not None:
            self.adoption.wire(self.engine, lambda _: None)
        self.lease = Lease(self.gate, self._renew, self.post)
        self.monitor = Monitor(self)
        self._reloads = Random(f"{world.scenario.seed} {host.name} {self.started_s}")  # its own: others keep their luck

    @property
    def running(self) -> bool:
        return self.started and not self.gate.dead and not self.gate.stopped

    def start(self) -> None:
        """End what the predecessor has recorded, before the store is touched (S4)."""
        left = list(self.host.hooks)
        waiting = len(left)

        def gone() -> None:
            nonlocal waiting
            waiting -= 1
            if waiting == 0:
                self.gate.deliver(self._go)

        for hook in left:
            hook.kill(gone)
        if not left:
            self._go()

    def _go(self) -> None:
        self.started = True
        self.started_s = self.gate.now_s()
        has_role = self.engine.state.settings.has_role
        said = self.host.service.says() if has_role and not self.host.stuck_hooks else ServiceRole.UNKNOWN
        adopting = self.adoption is not None and self.adoption.waiting
        self.post(Started(said, self.host.disk.floor, adopting))
        self._reload()
        if self.adoption is not None and adopting:
            self.adoption.begin()
        self.monitor.begin()
        if self.prober is not None:
            self.prober.begin()
            self.prober.role_changed()

    def post(self, event: Event) -> None:
        if not self.gate.dead:
            self.engine.post(event)

    def stop(self, keep: bool) -> None:
        self.gate.deliver(lambda: self.post(StopRequested(keep)))

    def _observe(self, before: State, event: Event, step: Step) -> None:
        count(self, event)
        self.world.stepped(self, before, event, step)
        if before.role is not step.state.role:
            self._reload()
            if self.prober is not None:
                self.prober.role_changed()
                self.world.operators.aim(self.host, step.state.role)

    def _reload(self) -> None:
        """Now and then somebody has the file read again, in whatever role; nothing may move for it."""
        if self._reloads.random() < RELOADS:
            self.gate.deliver(lambda: self.post(SettingsChanged(self.engine.state.settings)))

    def _renew(self, session: str, lock: Lock, answer: Callable[[Renewal], None]) -> None:
        self.store.renew(session, lock, lambda renewal: self.gate.deliver(lambda: answer(renewal)))

    async def _connect(self, name: str) -> None:
        """To the API's port: accepted, refused where no controller runs, silent where nothing is alive."""
        if not self.world.devices.answers(self.host, name):
            await self.loop.create_future()
        if self.world.host_named(name).process is None:
            raise ConnectionRefusedError

    # --- its end --------------------------------------------------------------------------------

    def exits(self, code: int, reason: str) -> None:
        """It ends by its own decision: its hooks first."""
        self.world.note(self.host.name, f"the controller exits with {code}: {reason}")
        for hook in list(self.host.hooks):
            hook.kill(lambda: None)
        self.killed()
        self.world.restart_later(self.host, 0.5, 6.0)

    def killed(self) -> None:
        """It is gone; its session is left to the servers; the guardian ends its hooks a little later."""
        self.gate.die()
        self.loop_dies()
        self.store.shut_down()
        if self.host.process is self:
            self.host.process = None
        for hook in list(self.host.hooks):
            after_s = self.chance.random() * 0.6
            self.host.gate.call_later(after_s, lambda hook=hook: hook.kill(lambda: None))  # type: ignore[misc]

    def loop_dies(self) -> None:
        """Its coroutines end with it, and say nothing any more."""
        self.gate.die()
        self.loop.die()

    def freeze(self) -> None:
        self.gate.stop()
        self.store.faults.pause()

    def thaw(self) -> None:
        """It goes on with what has waited for it, and notices that it stood still (as `runtime.stall` does)."""
        self.gate.go_on()
        self.gate.deliver(lambda: self.post(Stalled("it stood still")))
        if not self.gate.dead:  # it may have ended itself with the first thing that waited for it
            self.store.faults.resume()
