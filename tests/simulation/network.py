"""What passes between controllers: a demand to demote, and its answer. Messages are lost, slow, or refused."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from failover.core.effects import AnswerDemand, Fence
from failover.core.events import DemoteDemanded
from failover.core.values import Verdict
from tests.simulation.host import Host

if TYPE_CHECKING:
    from tests.simulation.process import Process
    from tests.simulation.world import World

HELD = 0.1
QUICK_S, SLOW_S, VERY_SLOW_S = 0.05, 2.0, 20.0


class Network:
    """The peers' network. Requests are known by an id; an answer nobody waits for is dropped."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._asked = 0
        self._chance = Random(world.scenario.seed * 8 + 6)
        self._held: dict[str, DemoteDemanded] = {}
        self._waiting: dict[str, tuple[int, Callable[[Verdict], None]]] = {}

    def demand(self, process: Process, ask: Fence, answer: Callable[[Verdict], None]) -> None:
        """Send a demand to the controller of the breadcrumb's node."""
        self._asked += 1
        request = f"demand-{self._asked}"
        self._waiting[request] = (ask.epoch, answer)
        event = DemoteDemanded(request, ask.target.node, ask.epoch, process.host.name)
        way_s = self._way_s(process.host.name, ask.target.node.name)
        if way_s is not None and not self._world.calm and self._chance.random() < HELD:
            self._held[event.target.name] = event
        elif way_s is not None:
            self._world.clock.call_later(way_s, lambda: self._arrive(event))

    def release(self, host: Host) -> None:
        """A demand that the network has held until now arrives while the old active is busy with something else."""
        event = self._held.pop(host.name, None)
        if event is not None:
            self._world.clock.call_later(self._chance.random() * 0.01, lambda: self._arrive(event))

    def _arrive(self, event: DemoteDemanded) -> None:
        host = self._world.host_named(event.target.name)
        if not host.powered:
            return
        if host.process is None or not host.process.started:
            self._answered(event.request, event.epoch, Verdict.UNKNOWN)
            return
        process = host.process
        process.gate.deliver(lambda: process.post(event))

    def reply(self, process: Process, effect: AnswerDemand) -> None:
        """Send the answer back."""
        asker = self._world.host_named(process.host.name)
        way_s = self._way_s(asker.name, asker.name)
        if way_s is not None and effect.node == process.host.node:
            self._world.clock.call_later(way_s, lambda: self._answered(effect.request, effect.epoch, effect.verdict))

    def _answered(self, request: str, epoch: int, verdict: Verdict) -> None:
        wanted, answer = self._waiting.pop(request, (0, None))
        if answer is not None and wanted == epoch:
            answer(verdict)

    def _way_s(self, *names: str) -> float | None:
        """How long a message takes; None: it is lost."""
        world = self._world
        if any(world.host_named(name).reachable_s > world.clock.now_s() for name in names):
            return None
        luck = 1.0 if world.calm else self._chance.random()
        if luck < 0.05:
            return None
        longest_s = VERY_SLOW_S if luck < 0.1 else SLOW_S if luck < 0.2 else QUICK_S
        return self._chance.uniform(0.001, longest_s)
