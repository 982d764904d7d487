"""Hook processes: they are forked, run, take effect at some moment, end; they may fail, hang, lie, or not be killable.

A hook belongs to a host, not to the controller that forked it: it can outlive it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from failover.core.values import Verdict
from tests.simulation.gate import GatedTimer
from tests.simulation.host import Host
from tests.simulation.scenario import KILL_GRACE_S


@dataclass(frozen=True, slots=True)
class Plan:
    """How one run of a hook will go. `effect_s` None: it never takes effect; `ends_s` None: it hangs."""

    effect_s: float | None
    ends_s: float | None
    verdict: Verdict
    killable: bool = True


def plan(chance: Random, limit_s: float, misbehaviour: float, may_lie: bool) -> Plan:
    """Draw how a hook will go: mostly quickly, and as it should."""
    ends_s = limit_s * chance.uniform(0.02, 0.5)
    effect_s = ends_s * chance.random()
    if chance.random() >= misbehaviour:
        return Plan(effect_s, ends_s, Verdict.DONE)
    killable = chance.random() > 0.15
    kind = chance.choice(("refuses", "half", "unknown", "hangs", "hangs", "slow", "lies"))
    took = effect_s if chance.random() < 0.5 else None
    if kind == "refuses":
        return Plan(None, ends_s, Verdict.NOT_DONE, killable)
    if kind == "half":
        return Plan(effect_s, ends_s, Verdict.NOT_DONE, killable)
    if kind == "unknown":
        return Plan(took, ends_s, Verdict.UNKNOWN, killable)
    if kind == "hangs":
        late = limit_s * chance.uniform(0.5, 3.0) if chance.random() < 0.5 else took
        return Plan(late, None, Verdict.UNKNOWN, killable)
    if kind == "slow":
        return Plan(limit_s * 0.9, limit_s * chance.uniform(0.95, 1.5), Verdict.DONE, killable)
    return Plan(None if may_lie else effect_s, ends_s, Verdict.DONE, killable)


class Hook:
    """One process group. `ended` is told to whoever forked it; killing it tells nobody."""

    def __init__(self, host: Host, kind: str, epoch: int, going: Plan, effect: Callable[[], None]) -> None:
        self.host = host
        self.kind = kind
        self.epoch = epoch
        self.alive = True
        self.stuck = False  # it was killed and is still there
        self._plan = going
        self._effect = effect
        self._timers: list[GatedTimer] = []
        host.hooks.append(self)
        if going.effect_s is not None:
            self._timers.append(host.gate.call_later(going.effect_s, self._take_effect))

    def goes_well(self, limit_s: float) -> bool:
        """Whether it will take effect and say so within its time."""
        going = self._plan
        if going.effect_s is None or going.ends_s is None:
            return False
        return going.verdict is Verdict.DONE and going.ends_s + 0.2 < limit_s

    def wait(self, ended: Callable[[Verdict], None]) -> None:
        """Tell the parent when it exits by itself."""
        if self._plan.ends_s is not None:
            self._timers.append(self.host.gate.call_later(self._plan.ends_s, lambda: self._exit(ended)))

    def kill(self, gone: Callable[[], None]) -> None:
        """SIGKILL for the group; `gone` once it has ended, or after 2 s if it cannot be ended (S4)."""
        if not self.alive:
            gone()
            return
        if self.stuck:
            self.host.gate.call_later(KILL_GRACE_S, gone)
            return
        if self._plan.killable or self.host.calm:
            self.die()
            gone()
            return
        self.stuck = True
        self.host.count("hook cannot be ended")
        self.host.gate.call_later(KILL_GRACE_S * (1.5 + self.epoch % 5), self.die)
        self.host.gate.call_later(KILL_GRACE_S, gone)

    def die(self) -> None:
        if self.alive:
            self.alive = False
            for timer in self._timers:
                timer.cancel()
            self.host.hooks.remove(self)

    def _take_effect(self) -> None:
        if self.alive:
            self._effect()

    def _exit(self, ended: Callable[[Verdict], None]) -> None:
        if self.alive:
            self.die()
            if not self.stuck:  # else it was given up long ago
                ended(self._plan.verdict)
