"""The simple fence chain of the seeds below `DOUBT_FROM`: levels of methods, each proven by a renewal first (S7).

Its devices may fail but never lie; `doubt` has the production chain, over `devices` that may be wrong.

`ask` demands a demote from the old active's controller; `power` takes the power from its host.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from failover.core.effects import Fence
from failover.core.events import Event, Fenced
from failover.core.values import Verdict
from tests.simulation.gate import GatedTimer
from tests.simulation.host import Host

if TYPE_CHECKING:
    from tests.simulation.process import Process
    from tests.simulation.world import World

ASK_S = 3.0
POWER_S = 3.0
PROVE_S = 1.5


class Chain:
    """One run of the chain: in a level every method must answer done; the first such level ends it."""

    def __init__(self, process: Process, ask: Fence, answer: Callable[[Event], None]) -> None:
        self._process = process
        self._ask = ask
        self._answer = answer
        self._over = False
        self._turn = 0
        self._verdicts: list[Verdict] = []
        self._limit: GatedTimer | None = None
        self._levels = [list(level) for level in process.scenario.levels]
        self._next()

    def end(self, ended: Callable[[], None]) -> None:
        """What was sent to a device cannot be called back; nothing more is sent."""
        self._over = True
        if self._limit is not None:
            self._limit.cancel()
        ended()

    def _next(self) -> None:
        if not self._levels:
            unknown = Verdict.UNKNOWN in self._verdicts
            self._finish(Verdict.UNKNOWN if unknown else Verdict.NOT_DONE, "no level answered done")
        else:
            self._prove(self._levels[0][0])

    def _finish(self, verdict: Verdict, detail: str) -> None:
        if not self._over:
            self._over = True
            ask = self._ask
            self._answer(Fenced(ask.attempt, ask.epoch, verdict, detail, detail))

    def _once(self, limit_s: float, late: Callable[[], None]) -> Callable[[], bool]:
        """A ticket for one answer: whoever comes first, the answer or the time limit, uses it up."""
        self._turn += 1
        turn = self._turn

        def use() -> bool:
            if self._over or turn != self._turn:
                return False
            self._turn += 1
            if self._limit is not None:
                self._limit.cancel()
            return True

        self._limit = self._process.gate.call_later(limit_s, lambda: late() if use() else None)
        return use

    def _prove(self, method: str) -> None:
        use = self._once(PROVE_S, lambda: self._finish(Verdict.UNKNOWN, "the lock could not be proven in time"))

        def proven(yes: bool) -> None:
            if not use():
                return
            if yes:
                delay_s = self._process.chance.random() * 0.02
                self._limit = self._process.gate.call_later(delay_s, lambda: self._strike(method))
            else:
                self._finish(Verdict.UNKNOWN, "the lock could not be proven")

        self._process.lease.prove(proven)

    def _strike(self, method: str) -> None:
        if self._over:
            return
        process, world, ask = self._process, self._process.world, self._ask
        world.checks.struck(process, ask)
        use = self._once(ASK_S if method == "ask" else POWER_S, lambda: self._struck(method, Verdict.UNKNOWN))

        def answered(verdict: Verdict) -> None:
            process.gate.deliver(lambda: self._struck(method, verdict) if use() else None)

        if method == "ask":
            world.network.demand(process, ask, answered)
        else:
            world.power.strike(ask.target.facts["bmc"], answered)

    def _struck(self, method: str, verdict: Verdict) -> None:
        self._process.world.note(self._process.host.name, f"fence method {method} answered {verdict.value}")
        self._verdicts.append(verdict)
        level = self._levels[0]
        if verdict is not Verdict.DONE:
            self._levels.pop(0)
            self._next()
        elif len(level) > 1:
            level.pop(0)
            self._next()
        else:
            self._finish(Verdict.DONE, method)


class PowerSwitches:
    """Takes the power from hosts; sometimes refuses, sometimes leaves it open, sometimes says nothing."""

    def __init__(self, world: World) -> None:
        self._world = world

    def strike(self, name: str, answer: Callable[[Verdict], None]) -> None:
        world = self._world
        host = world.host_named(name)
        after_s = world.chance.uniform(0.2, 1.5)
        luck = 0.0 if host.calm else world.chance.random()
        if luck < 0.7:
            world.clock.call_later(after_s, lambda: self._off(host, answer))
        elif luck < 0.8:
            world.clock.call_later(after_s, lambda: answer(Verdict.NOT_DONE))
        elif luck < 0.9:
            world.clock.call_later(after_s, lambda: answer(Verdict.UNKNOWN))
        else:
            world.clock.call_later(after_s, lambda: world.power_off(host, "fenced, unsaid"))

    def _off(self, host: Host, answer: Callable[[Verdict], None]) -> None:
        self._world.power_off(host, "fenced")
        answer(Verdict.DONE)
