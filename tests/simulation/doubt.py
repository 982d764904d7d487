"""Fencing in the doubting scenarios: the production chain on a simulated loop, over simulated methods and devices.

What is real: levels, attempts, deadlines, proofs of the lock before each strike, doubt (S7), the look for a
contradiction, cancellation. What is simulated: the three methods, and the memory of what the devices have said.
`stop` kills only the service; `ask` demands a demote from the controller; `power` switches the host off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from failover.core.effects import Fence
from failover.core.events import Event, Fenced, ProofsChanged
from failover.core.values import Breadcrumb, Node, Verdict
from failover.ports.fences import FenceReport
from failover.ports.service import Line, Proof, Result, Strike, Traits
from fencing.chain import Chain, StrikeRecord
from fencing.contradiction import Verify
from tests.simulation.fencing import ASK_S, POWER_S, PROVE_S
from tests.simulation.host import Host

if TYPE_CHECKING:
    from tests.simulation.process import Process

KILLS_S = 0.5
PROBE_EVERY_S = (2.0, 8.0)
AT_A_CHANGE = 0.05  # how often proofs come in just as the role changes

TRAITS = {
    "ask": Traits(),
    "stop": Traits(whole=False),
    "power": Traits(power=True, witnessed=True, askable=True),
}


class Memory:
    """Implements `Book` over the disk of a host: kept over a controller's end, lost with the host's boot (tmpfs)."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def quarantined(self, target: Node, method: str) -> str:
        return "it lied in a probe" if (target.name, method) in self._host.disk.quarantined else ""

    def seen_on(self, target: Node, method: str) -> bool:
        return (target.name, method) in self._host.disk.seen_on

    def off_since(self, target: Breadcrumb) -> str:
        known = target.boot_id and (target.node.name, target.boot_id) in self._host.disk.ended
        return "that boot of it was switched off before" if known else ""

    def struck(self, record: StrikeRecord) -> None:
        if record.saw_on:
            self._host.disk.seen_on.add((record.target, record.method))

    def ended(self, report: FenceReport) -> None:
        if report.verdict is Verdict.DONE and report.power:
            self._host.disk.ended.add((report.target.node.name, report.target.boot_id))


class Method:
    """One method, for one order of the core."""

    def __init__(self, process: Process, ask: Fence, name: str, attempts: int) -> None:
        self.name = name
        self.timeout_s = ASK_S if name == "ask" else POWER_S
        told = TRAITS[name]
        self.traits = Traits(attempts, told.whole, told.power, told.witnessed, told.restores, told.askable)
        self._process = process
        self._ask = ask

    async def fence(self, strike: Strike) -> Result:
        process, name = self._process, self._ask.target.node.name
        process.world.checks.struck(process, self._ask)
        process.world.checks.struck_by(process, name, self.name)
        said: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def answered(result: Result) -> None:
            process.gate.deliver(lambda: self._answered(said, result))

        if self.name == "ask":
            process.world.network.demand(process, self._ask, lambda verdict: answered(Result(verdict)))
        elif self.name == "stop":
            self._stop(process.world.host_named(name), answered)
        else:
            process.world.devices.strike(process.host, name, answered)
        return await said

    def _answered(self, said: asyncio.Future[Result], result: Result) -> None:
        if said.done():
            self._process.world.count("answered after the strike was over")
            self.late(result)
        else:
            said.set_result(result)

    def late(self, result: Result) -> None:
        """Nobody waits for it any more."""

    def _stop(self, host: Host, answer: Callable[[Result], None]) -> None:
        """Over the network, by a shell on the host: it must run, and be reachable."""
        world = self._process.world

        def stopped() -> None:
            if not host.powered or host.gate.stopped or host.reachable_s > world.clock.now_s():
                answer(Result(Verdict.UNKNOWN, "no answer"))
                return
            host.service.crash()
            world.clock.call_later(3.0, lambda: world.faults.of_hosts.bring_back(host))
            answer(Result(Verdict.DONE, "exit 0"))

        world.clock.call_later(KILLS_S, stopped)

    async def probe(self, strike: Strike) -> Proof:
        return Proof(Verdict.UNKNOWN)  # the simulation's probes are those of `Prober`

    async def restore(self, strike: Strike) -> Result:
        return Result(Verdict.DONE)

    def plan(self, strike: Strike) -> list[Line]:
        return []


class RunningChain:
    """One run of the production chain."""

    def __init__(self, process: Process, ask: Fence, answer: Callable[[Event], None]) -> None:
        self._process = process
        self._ask = ask
        self._answer = answer
        fencing = process.scenario.fencing
        assert fencing is not None
        levels = process.scenario.levels
        names = {name for level in levels for name in level}
        methods = {name: Method(process, ask, name, fencing.attempts) for name in sorted(names)}
        times, own = process.scenario.times, process.host.node
        self.chain = Chain(methods, levels, times.chain_s, own, Memory(process.host), Verify(settle_s=0.5))
        self._task = process.loop.create_task(self._run())
        self._task.add_done_callback(self._ended)

    def end(self, ended: Callable[[], None]) -> None:
        if self._task.done():
            ended()
            return
        self._task.add_done_callback(lambda _: self._process.gate.deliver(ended))
        self._task.cancel()

    async def _run(self) -> Result:
        ask, process = self._ask, self._process
        strike = Strike("db", process.host.name, ask.target, ask.epoch, ask.attempt, ask.reason)
        return await self.chain.run(strike, self._prove)

    async def _prove(self) -> bool:
        loop = self._process.loop
        proof: asyncio.Future[bool] = loop.create_future()
        self._process.lease.prove(lambda proven: None if proof.done() else proof.set_result(proven))
        try:
            return await asyncio.wait_for(proof, PROVE_S)
        except TimeoutError:
            return False

    def _ended(self, task: asyncio.Task[Result]) -> None:
        if task.cancelled() or self._process.gate.dead:
            return
        result, ask = task.result(), self._ask  # raises what a checker raised meanwhile
        self._process.world.note(self._process.host.name, f"the chain answered {result.verdict}: {result.detail}")
        self._process.world.checks.chain_ended(self._process, ask, self.chain.last)
        fenced = Fenced(ask.attempt, ask.epoch, result.verdict, result.by, result.detail)
        self._process.gate.deliver(lambda: self._answer(fenced))


class Prober:
    """Asks the devices of living peers from time to time whether they could be fenced (positive control)."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._chance = Random(f"probes {process.world.scenario.seed} {process.host.name} {process.started_s}")
        self._proven: dict[str, str] = {}

    def begin(self) -> None:
        self._process.gate.call_later(self._chance.uniform(*PROBE_EVERY_S), self._probe)

    def role_changed(self) -> None:
        """Proofs come in whatever the controller is doing just then."""
        if self._chance.random() < AT_A_CHANGE:
            self._process.gate.call_later(self._chance.random() * 0.02, self._tell)

    def _probe(self) -> None:
        process, disk = self._process, self._process.host.disk
        for host in process.world.hosts:
            if host is process.host or not process.world.lives(host):
                continue
            said = process.world.devices.status(process.host, host.name)
            process.world.count(f"probe: {said.value}")
            if said is Verdict.DONE:
                disk.seen_on.add((host.name, "power"))
                self._proven[host.name] = f"at {process.gate.now_s():.0f} s"
            else:
                self._proven.pop(host.name, None)
            if said is Verdict.NOT_DONE:
                disk.quarantined.add((host.name, "power"))
        self._tell()
        self.begin()

    def _tell(self) -> None:
        proven, disk = self._proven, self._process.host.disk
        fenceable = {name: at for name, at in proven.items() if (name, "power") not in disk.quarantined}
        self._process.post(ProofsChanged(fenceable))
