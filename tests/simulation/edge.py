"""The engine's edge in the simulation: what the runtime will do to the world, done to a simulated one.

The rules it keeps, as the runtime must: a hook is forked some while after it was asked for; what is cancelled is ended
first; while a hook cannot be ended nothing but a demote runs, and that answers `unknown` at best (S4); a demote's
`done` needs `role` to agree where there is one (S3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from failover.core.effects import (
    AnswerDemand,
    Claim,
    CloseSession,
    Demote,
    Effect,
    EndSwitchover,
    Fence,
    Follow,
    HandOver,
    OpenSession,
    Promote,
    PublishMember,
    RaiseFloor,
    ResetHealth,
    StartLease,
    StopLease,
    StopProcess,
    TakeLock,
)
from failover.core.events import Demoted, Event, Followed, Promoted, WriteOutcome
from failover.core.values import Control, EndedSwitchover, ServiceRole, Verdict
from failover.ports.store import ControlWritten
from failover.runtime.engine import Running
from failover.runtime.lease import LeaseTerms
from tests.simulation.doubt import RunningChain
from tests.simulation.fencing import Chain
from tests.simulation.gate import GatedTimer
from tests.simulation.hooks import Hook, plan

if TYPE_CHECKING:
    from tests.simulation.process import Process

ROLE_TAKES_S = 0.05
CLOSE_S = 2.0
CHAIN_SLACK_S = 1.0  # the production chain keeps its own deadline, the engine's backs it up


class Disowned:
    """A store's transaction: it cannot be ended, only disowned."""

    def end(self, ended: Callable[[], None]) -> None:
        ended()


class RunningHook:
    """A hook that will be forked, or runs; afterwards its verdict is looked at once more before it is answered."""

    def __init__(self, process: Process, ask: Promote | Demote | Follow, answer: Callable[[Event], None]) -> None:
        self._process = process
        self._ask = ask
        self._answer = answer
        self._hook: Hook | None = None
        self._doubtful = False  # it began while an older hook could not be ended
        # The pause between a check and the fork: a stopped controller may stop exactly here.
        self._next: GatedTimer = process.gate.call_later(process.chance.random() * 0.02, self._fork)

    def end(self, ended: Callable[[], None]) -> None:
        self._next.cancel()
        if self._hook is None or not self._hook.alive:
            ended()
        else:
            gate = self._process.gate
            self._hook.kill(lambda: gate.deliver(ended))

    def _fork(self) -> None:
        process, ask = self._process, self._ask
        host, kind = process.host, type(ask).__name__.lower()
        if host.stuck_hooks and not isinstance(ask, Demote):
            self._answer(self._answered(Verdict.UNKNOWN, "an older hook could not be ended"))
            return
        self._doubtful = bool(host.stuck_hooks)
        limit_s = process.edge.deadline_s(ask) or 1.0
        rough = 0.0 if host.calm else process.scenario.misbehaviour
        going = plan(process.chance, limit_s, rough, process.engine.state.settings.has_role)
        hook = self._hook = Hook(host, kind, ask.epoch, going, self._effect)
        process.world.checks.forked(host, hook, ask)
        hook.wait(lambda verdict: process.gate.deliver(lambda: self._exited(verdict)))

    def _effect(self) -> None:
        host = self._process.host
        if isinstance(self._ask, Promote):
            host.service.promote(self._ask.epoch)
        elif isinstance(self._ask, Demote):
            host.service.demote()

    def _exited(self, verdict: Verdict) -> None:
        if isinstance(self._ask, Demote) and verdict is Verdict.DONE:
            gate = self._process.gate
            self._next = gate.call_later(ROLE_TAKES_S, lambda: self._agree(self._ask))
        else:
            self._answer(self._answered(verdict, "the hook said so"))

    def _agree(self, ask: object) -> None:
        """S3: `done` only where `role` agrees; never while a hook that could not be ended may still do something."""
        process = self._process
        verdict, detail = Verdict.DONE, "the hook said so"
        if process.engine.state.settings.has_role:
            said = process.host.service.says()
            gone = isinstance(ask, Demote) and ask.gone
            if said is ServiceRole.ACTIVE:
                verdict, detail = Verdict.NOT_DONE, "role says active"
            elif said is ServiceRole.UNKNOWN and not gone:
                verdict, detail = Verdict.UNKNOWN, "role cannot say"
        if verdict is Verdict.DONE and (self._doubtful or process.host.stuck_hooks):
            verdict, detail = Verdict.UNKNOWN, "an older hook could not be ended"
        self._answer(self._answered(verdict, detail))

    def _answered(self, verdict: Verdict, detail: str) -> Event:
        ask = self._ask
        self._process.world.checks.answered(self._process.host, ask, verdict)
        if isinstance(ask, Promote):
            return Promoted(ask.attempt, ask.epoch, verdict, detail)
        if isinstance(ask, Follow):
            return Followed(ask.attempt, ask.epoch, verdict, detail)
        return Demoted(ask.attempt, verdict, detail)


class SimulatedEdge:
    """One controller's hands."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._taken_s = 0.0
        times = process.scenario.times
        limit_s = times.session_timeout_s / 2
        self._deadlines: dict[type[Effect], float | None] = {
            OpenSession: None,
            CloseSession: CLOSE_S,
            TakeLock: limit_s,
            Claim: limit_s,
            HandOver: limit_s,
            Promote: times.promote_s,
            Demote: times.demote_s,
            Follow: times.follow_s,
            Fence: times.chain_s + (CHAIN_SLACK_S if process.scenario.fencing else 0.0),
        }

    def deadline_s(self, effect: Effect) -> float | None:
        return self._deadlines[type(effect)]

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> GatedTimer:
        return self._process.gate.call_later(delay_s, callback)

    def lengthen(self, delay_s: float, jitter: float) -> float:
        return delay_s * (1 + jitter * self._process.chance.random()) if jitter else delay_s

    def start(self, effect: Effect, answer: Callable[[Event], None]) -> Running:
        process, store = self._process, self._process.store
        if process.gate.dead:
            return Disowned()  # the process has ended; its engine does not know
        if isinstance(effect, Promote | Demote | Follow):
            return RunningHook(process, effect, answer)
        if isinstance(effect, Fence):
            running = RunningChain if process.scenario.fencing else Chain
            return running(process, effect, answer)

        def later(event: Event) -> None:
            process.gate.deliver(lambda: answer(event))

        if isinstance(effect, TakeLock):
            self._taken_s = process.gate.now_s()
            store.take(effect, later)
        elif isinstance(effect, Claim):
            store.claim(effect, later)
        elif isinstance(effect, HandOver):
            store.hand_over(effect, later)
        elif isinstance(effect, OpenSession):
            store.open(effect, later)
        elif isinstance(effect, CloseSession):
            store.close(effect, later)
        return Disowned()

    def lock_adopted(self, sent_s: float, crumb: object) -> None:
        """An adopted lock was proven by a write sent then."""
        self._taken_s = sent_s

    def at_once(self, effect: Effect) -> None:
        process = self._process
        if isinstance(effect, PublishMember):
            process.store.publish(effect.member.session, effect.member)
        elif isinstance(effect, StartLease):
            times = process.scenario.times
            step_down = process.engine.state.settings.step_down
            terms = LeaseTerms(times.renew_every_s, times.lease_s, times.demote_within_s, step_down)
            process.lease.start(effect.session, effect.lock, self._taken_s, terms)
        elif isinstance(effect, StopLease):
            process.lease.stop()
        elif isinstance(effect, ResetHealth):
            process.monitor.reset()
        elif isinstance(effect, RaiseFloor):
            process.host.disk.floor = effect.epoch
            process.world.checks.floor_raised(process.host, effect.epoch)
        elif isinstance(effect, AnswerDemand):
            process.world.network.reply(process, effect)
        elif isinstance(effect, EndSwitchover):
            self._end_switchover(effect, process.engine.state.control, 3)
        elif isinstance(effect, StopProcess):
            process.exits(effect.exit_code, effect.reason)

    def _end_switchover(self, effect: EndSwitchover, control: Control, tries: int) -> None:
        """Take the record out, unless somebody has given another order meanwhile."""
        order = control.switchover
        if order is None or order.id != effect.id or tries == 0:
            return
        ended = (*control.ended, EndedSwitchover(order, effect.outcome, effect.detail))[-4:]

        def written(answer: ControlWritten) -> None:
            if answer.outcome is WriteOutcome.CONFLICT and answer.control is not None:
                self._end_switchover(effect, answer.control, tries - 1)

        wanted = replace(control, switchover=None, ended=ended)
        process = self._process
        process.store.write_control(wanted, lambda answer: process.gate.deliver(lambda: written(answer)))
